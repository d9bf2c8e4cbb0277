// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/pools.h -- Q: which rte_mempool serves objects of a size?
#pragma once

#include <rte_mempool.h>

#include <cstddef>

namespace bench {

struct PoolKind {
  const char* ops;
  unsigned cache;  // objects per lcore
};

// "" or why there are no such pools.
const char* why_no_pool(const PoolKind& kind);

// The same one for the same arguments, until free_pools().
rte_mempool* pool_of(const PoolKind& kind, std::size_t size);
void free_pools();

}  // namespace bench
