// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/telemetry_pools.cc -- floor 3 (api). The commands /fastmem/pools and /fastmem/pool of DPDK's telemetry.
// Threads:   telemetry's own. As with DPDK's own mempool commands, a pool must not be freed while it is looked at.
#include <rte_common.h>
#include <rte_mempool.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "api/dpdk/pointer_pool.h"
#include "api/dpdk/telemetry_answer.h"

namespace fastmem::dpdk {
namespace {

// Ops are populated late: until then a mempool has no data of theirs.
bool is_ours(const rte_mempool* mp) {
  return mp->pool_data != nullptr && std::strcmp(rte_mempool_get_ops(mp->ops_index)->name, "fastmem") == 0;
}

int on_pools(const char* /*command*/, const char* /*params*/, rte_tel_data* out) {
  rte_tel_data_start_array(out, RTE_TEL_STRING_VAL);
  rte_mempool_walk(
      [](rte_mempool* mp, void* arg) {
        if (is_ours(mp)) rte_tel_data_add_array_string(static_cast<rte_tel_data*>(arg), mp->name);
      },
      out);
  return 0;
}

// What lies in mempool's own caches is what is neither in the ops nor in use. While packets flow the parts are read one
// after the other: each is cut to what is left, so that they always add up.
int on_pool(const char* /*command*/, const char* params, rte_tel_data* out) {
  if (params == nullptr || params[0] == '\0') return -EINVAL;
  const rte_mempool* const mp = rte_mempool_lookup(params);
  if (mp == nullptr || !is_ours(mp)) return -ENOENT;
  const PointerPool& pool = *static_cast<const PointerPool*>(mp->pool_data);
  const unsigned free = std::min(pool.count(), mp->size);
  const unsigned available = std::clamp(rte_mempool_avail_count(mp), free, mp->size);
  const PointerPool::Shape shape = pool.shape();
  rte_tel_data_start_dict(out);
  put(out, "size", mp->size);
  put(out, "free", free);
  put(out, "cached", available - free);
  put(out, "in_use", mp->size - available);
  put(out, "slots", shape.slots);
  put(out, "magazine_size", shape.magazine_size);
  put(out, "full_magazines", shape.full_magazines);
  return 0;
}

constexpr TelemetryCommand kCommands[] = {
    {"/fastmem/pools", on_pools, "Names of the mempools with the ops fastmem. Takes no parameters"},
    {"/fastmem/pool", on_pool, "Where a mempool's objects are. Parameters: name"},
};

RTE_INIT(fastmem_register_pool_telemetry) { register_commands(kCommands); }

}  // namespace
}  // namespace fastmem::dpdk
