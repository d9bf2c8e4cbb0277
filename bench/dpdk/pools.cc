// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/pools.h"

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <tuple>

#include "bench/dpdk/lcores.h"
#include "bench/scenario.h"

namespace bench {
namespace {

// What the scenarios of one lcore have live at once, and what its cache may hoard, and some more.
constexpr unsigned kObjectsPerLcore = 2048;
constexpr unsigned kLeastObjects = 8192;

using Key = std::tuple<std::string, unsigned, std::size_t>;
std::map<Key, rte_mempool*>& pools() {
  static std::map<Key, rte_mempool*> all;
  return all;
}

rte_mempool* make_pool(const PoolKind& kind, std::size_t size) {
  char name[RTE_MEMPOOL_NAMESIZE];
  std::snprintf(name, sizeof name, "bench_%zu", pools().size());
  const unsigned objects = std::max(kLeastObjects, rte_align32pow2(kObjectsPerLcore * lcores_there()));
  rte_mempool* const pool = rte_mempool_create_empty(name, objects - 1, static_cast<unsigned>(size), kind.cache, 0,
                                                     static_cast<int>(rte_socket_id()), 0);
  if (pool == nullptr) die("no mempool", rte_strerror(rte_errno));
  if (rte_mempool_set_ops_byname(pool, kind.ops, nullptr) != 0) die("no mempool ops", kind.ops);
  if (const int got = rte_mempool_populate_default(pool); got < 0) die("no memory for a mempool", rte_strerror(-got));
  return pool;
}

}  // namespace

const char* why_no_pool(const PoolKind& kind) {
  for (unsigned i = 0; i < rte_mempool_ops_table.num_ops; ++i) {
    if (std::strcmp(rte_mempool_ops_table.ops[i].name, kind.ops) == 0) return "";
  }
  return "no such mempool ops";
}

rte_mempool* pool_of(const PoolKind& kind, std::size_t size) {
  rte_mempool*& pool = pools()[{kind.ops, kind.cache, size}];
  if (pool == nullptr) pool = make_pool(kind, size);
  return pool;
}

void free_pools() {
  for (const auto& [key, pool] : pools()) rte_mempool_free(pool);
  pools().clear();
}

}  // namespace bench
