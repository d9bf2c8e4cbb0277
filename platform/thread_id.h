// SPDX-License-Identifier: BSD-3-Clause
// platform/thread_id.h -- floor 0. The calling thread's kernel id, asked for once; fork's child forgets it.
#pragma once

#include <cstdint>

#include "platform/build.h"

namespace fastmem {

FASTMEM_EXPORT extern __thread std::uint32_t t_thread_id [[gnu::tls_model("initial-exec")]];

FASTMEM_EXPORT std::uint32_t fetch_thread_id();      // asks the kernel and remembers
inline void forget_thread_id() { t_thread_id = 0; }  // in the child of a fork
inline std::uint32_t thread_id() { return t_thread_id != 0 ? t_thread_id : fetch_thread_id(); }

}  // namespace fastmem
