// SPDX-License-Identifier: BSD-3-Clause
#include "platform/thread_id.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace fastmem {

__thread std::uint32_t t_thread_id [[gnu::tls_model("initial-exec")]] = 0;

std::uint32_t fetch_thread_id() { return t_thread_id = static_cast<std::uint32_t>(syscall(SYS_gettid)); }

}  // namespace fastmem
