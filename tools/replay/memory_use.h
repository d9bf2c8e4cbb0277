// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/memory_use.h -- Q: how much memory does this process hold? As the kernel counts it, huge pages included.
#pragma once

#include <cstdint>

namespace fastmem::tools {

struct MemoryUse {
  std::uint64_t resident = 0;       // VmRSS + HugetlbPages
  std::uint64_t peak_resident = 0;  // VmHWM: without hugetlb pages, whose peak the kernel does not keep
  std::uint64_t hugetlb = 0;
};

// Allocates nothing.
MemoryUse memory_use();

// Brings the code of all libraries in, so that it is not counted later, and starts VmHWM anew.
void settle_memory();

}  // namespace fastmem::tools
