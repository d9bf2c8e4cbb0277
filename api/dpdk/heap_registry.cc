// SPDX-License-Identifier: BSD-3-Clause
#include "api/dpdk/heap_registry.h"

#include <rte_common.h>
#include <rte_lcore.h>

#include <cstring>
#include <memory>

#include "backends/dpdk/dpdk_backing.h"
#include "backends/dpdk/dpdk_topology.h"
#include "backends/dpdk/lcore_slots.h"

namespace fastmem::dpdk {
namespace {

constexpr unsigned kMaxHeaps = 8;

struct Entry {
  const char* name = nullptr;
  core::Heap* heap = nullptr;
  std::unique_ptr<Topology> topology;
};

struct Registry {
  Mutex mutex{LockRank::kDefaultHeap};
  Entry entries[kMaxHeaps] FM_GUARDED_BY(mutex);
  unsigned count FM_GUARDED_BY(mutex) = 0;
};
Registry& registry() {
  static Registry* const the_registry = new Registry;  // telemetry's thread may outlive static objects
  return *the_registry;
}

Result<core::Heap*> build(const HeapPlan& plan, const Topology& topology) {
  auto backing = make_dpdk_backing({plan.zone_prefix});
  if (!backing.ok()) return backing.error();
  core::HeapConfig config;
  config.backing = backing->release();
  config.owns_backing = true;
  config.topology = &topology;
  config.profile = core::Profile::kRfc;
  config.default_align = RTE_CACHE_LINE_SIZE;
  config.first_region = plan.first_region;
  Result<core::Heap*> heap = core::Heap::create(config);
  if (!heap.ok()) return heap.error();
  unsigned lcore = 0;
  RTE_LCORE_FOREACH(lcore)(*heap)->prepare_slot(slot_of_lcore(lcore));  // their first allocation shall not wait
  return heap.value();
}

}  // namespace

Result<core::Heap*> make_heap(const HeapPlan& plan) {
  Registry& all = registry();
  const LockGuard guard(all.mutex);
  if (all.count == kMaxHeaps) return make_error(ErrorCode::kNoMemory, "%u heaps are there already", kMaxHeaps);
  auto topology = make_dpdk_topology();
  if (topology == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for the topology");
  if (topology->nodes().empty()) return make_error(ErrorCode::kNotReady, "EAL has no sockets: is rte_eal_init() done?");
  if (const Error error = follow_lcores(); !error.ok()) return error;
  const Result<core::Heap*> heap = build(plan, *topology);
  if (!heap.ok()) return heap.error();
  all.entries[all.count++] = {plan.name, heap.value(), std::move(topology)};
  return heap.value();
}

void destroy_heap(core::Heap* heap) {
  Registry& all = registry();
  const LockGuard guard(all.mutex);
  for (unsigned i = 0; i < all.count; ++i) {
    if (all.entries[i].heap != heap) continue;
    heap->destroy();
    for (unsigned k = i + 1; k < all.count; ++k) all.entries[k - 1] = std::move(all.entries[k]);
    all.entries[--all.count] = {};
    return;
  }
}

bool with_heap(const char* name, const std::function<void(const char*, core::Heap&)>& look) {
  Registry& all = registry();
  const LockGuard guard(all.mutex);
  for (unsigned i = 0; i < all.count; ++i) {
    const Entry& entry = all.entries[i];
    if (name != nullptr && name[0] != '\0' && std::strcmp(name, entry.name) != 0) continue;
    look(entry.name, *entry.heap);
    return true;
  }
  return false;
}

void for_each_heap(const std::function<void(const char*, core::Heap&)>& look) {
  Registry& all = registry();
  const LockGuard guard(all.mutex);
  for (unsigned i = 0; i < all.count; ++i) look(all.entries[i].name, *all.entries[i].heap);
}

}  // namespace fastmem::dpdk
