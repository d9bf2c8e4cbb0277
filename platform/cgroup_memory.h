// SPDX-License-Identifier: BSD-3-Clause
// platform/cgroup_memory.h -- floor 0. Which cgroup limit on ordinary memory binds this process? Versions 1 and 2, every
// ancestor that this process can see. Beyond it the kernel does not refuse memory: it ends processes.
#pragma once

#include <algorithm>

#include "platform/types.h"

namespace fastmem {

struct MemoryLimit {
  bool found = false;  // false: nothing limits
  Bytes limit;
  Bytes used;           // by every process below that cgroup, page cache counted
  char file[256] = {};  // holds the limit

  Bytes headroom() const { return found ? limit - std::min(limit, used) : kUnlimited; }
};

// The limit with the least headroom. `root` is put before every path, for tests.
MemoryLimit tightest_memory_limit(const char* root = "");

}  // namespace fastmem
