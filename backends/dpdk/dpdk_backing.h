// SPDX-License-Identifier: BSD-3-Clause
// backends/dpdk/dpdk_backing.h -- floor 1. Regions that are memzones.
// What:      whatever EAL was told to use (hugepages of any size, --no-huge, --legacy-mem, memory of an attached heap)
//            comes as regions aligned to 2 MiB. IOVA-contiguous where EAL has that much in one run; else in pages, each
//            with an IOVA of its own.
// Threads:   any; EAL's memory lock is the only one.
// Needs:     rte_eal_init() before, and rte_eal_cleanup() after the last region is released.
#pragma once

#include <memory>

#include "platform/backing.h"

namespace fastmem {

struct DpdkOptions {
  const char* zone_prefix = "fastmem";  // memzones are named <prefix>_<process>_<number>; at most 15 characters
};

// kNotReady: EAL has no memory, or is not initialised.
FASTMEM_EXPORT Result<std::unique_ptr<Backing>> make_dpdk_backing(const DpdkOptions& options = {});

}  // namespace fastmem
