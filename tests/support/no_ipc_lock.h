// SPDX-License-Identifier: BSD-3-Clause
// tests/support/no_ipc_lock.h: the calling process may lock no more than so much memory, even where it is root's.
#pragma once

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/types.h"

namespace fastmem::test {

// false: it did not work.
inline bool lock_at_most(Bytes size) {
  const rlimit limit{size.rep, size.rep};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  data[0].effective &= ~(1u << CAP_IPC_LOCK);
  data[0].permitted &= ~(1u << CAP_IPC_LOCK);
  return syscall(SYS_capset, &header, data) == 0;
}

}  // namespace fastmem::test
