// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/process_fence.h -- floor 3. platform/asymmetric_fence.h for memory that processes share: heavy_fence_for_all()
// reaches the threads of every process that has this library (membarrier(2), global expedited).
#pragma once

#include <cstdint>

namespace fastmem::dpdk {

struct ThisProcess {
  std::uint64_t token;  // never 0; no two processes have the same
  bool takes_fences;    // others' heavy fences reach this process's threads
};
// Set by a constructor, and anew in the child of a fork.
extern constinit ThisProcess g_this_process;

// false: this kernel cannot do it, and nothing was ordered.
bool heavy_fence_for_all();

}  // namespace fastmem::dpdk
