// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/dpdk_catalogue.h -- Q: what is compared inside EAL, and in which scenarios?
#pragma once

#include <string>
#include <vector>

#include "bench/catalogue.h"

namespace bench {

// The columns. The pools: rte_mempool with a cache of so many objects per lcore, over a ring for many producers and
// consumers, for one of each (-sp), or over fastmem's mempool ops (-fm).
inline constexpr const char* kFastmem = "fastmem";         // the C++ header, inlined
inline constexpr const char* kRteFastmem = "rte_fastmem";  // the C functions
inline constexpr const char* kPool = "pool/512";           // the yardstick
inline constexpr const char* kPool256 = "pool/256";
inline constexpr const char* kPoolSingle = "pool-sp/512";
inline constexpr const char* kPoolFastmem = "pool-fm/512";
inline constexpr const char* kRteMalloc = "rte_malloc";

inline constexpr unsigned kWork = 200;  // cycles, in scenarios named "work"

const std::vector<std::string>& dpdk_allocators();

// Four for each CPU of this process: the scenarios on several lcores go that far, where EAL can.
unsigned dpdk_lcores();

// In the order of the table. Names that end in /N: object size, or number of lcores.
const std::vector<ScenarioInfo>& dpdk_catalogue();

}  // namespace bench
