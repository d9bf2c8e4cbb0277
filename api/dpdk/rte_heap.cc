// SPDX-License-Identifier: BSD-3-Clause
#include "api/dpdk/rte_heap.h"

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include <algorithm>
#include <memory>

#include "backends/dpdk/dpdk_backing.h"
#include "backends/dpdk/dpdk_topology.h"
#include "backends/dpdk/lcore_slots.h"
#include "platform/log.h"

namespace fastmem::dpdk {

constinit std::atomic<core::Heap*> g_rte_heap{&core::Heap::absent};

namespace {

constexpr Bytes kRegion = kMiB * 128;
constexpr Bytes kLeastRegion = kMiB * 4;

constinit Mutex g_coming_and_going{LockRank::kDefaultHeap};        // guards: g_rte_heap changes, and g_topology
Topology* g_topology FM_GUARDED_BY(g_coming_and_going) = nullptr;  // the heap's, and gone with it

// Where EAL cannot grow, one heap must not take all there is for its first object.
Bytes first_region() {
  if (rte_eal_has_hugepages() != 0) return kRegion;
  rte_malloc_socket_stats stats{};
  rte_malloc_get_socket_stats(rte_socket_id_by_idx(0), &stats);
  return std::clamp(round_down(Bytes{stats.heap_totalsz_bytes} / 8, kLeastRegion), kLeastRegion, kRegion);
}

Error ask_environment(core::HeapConfig& config) {
  const Error error = core::choose_checks(nullptr, config.checks);
  return error.ok() ? core::choose_hardening(nullptr, config.hardening) : error;
}

Result<core::Heap*> build(const Topology& topology) {
  core::HeapConfig config;
  if (const Error error = ask_environment(config); !error.ok()) {
    log(LogLevel::kError, "%s", error.text);  // callers of rte_fastmem_init() see a number
    return error;
  }
  auto backing = make_dpdk_backing();
  if (!backing.ok()) return backing.error();
  config.backing = backing->release();
  config.owns_backing = true;
  config.topology = &topology;
  config.profile = core::Profile::kRfc;
  config.default_align = RTE_CACHE_LINE_SIZE;
  config.region_size = kRegion;
  config.first_region = first_region();
  config.largest_object = Bytes{core::kMaxSize};
  const Result<core::Heap*> heap = core::Heap::create(config);
  if (!heap.ok()) return heap.error();
  unsigned lcore = 0;
  RTE_LCORE_FOREACH(lcore) {
    heap.value()->prepare_slot(slot_of_lcore(lcore));  // their first allocation shall not wait
  }
  return heap.value();
}

}  // namespace

Error make_rte_heap(bool& existed) {
  const LockGuard guard(g_coming_and_going);
  existed = !rte_heap().is_absent();
  if (existed) return {};
  auto topology = make_dpdk_topology();
  if (topology == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for the topology");
  if (topology->nodes().empty()) return make_error(ErrorCode::kNotReady, "EAL has no sockets: is rte_eal_init() done?");
  if (const Error error = follow_lcores(); !error.ok()) return error;
  const Result<core::Heap*> heap = build(*topology);
  if (!heap.ok()) return heap.error();
  g_topology = topology.release();
  g_rte_heap.store(heap.value(), std::memory_order_release);
  return {};
}

void destroy_rte_heap() {
  const LockGuard guard(g_coming_and_going);
  core::Heap* const heap = g_rte_heap.exchange(&core::Heap::absent, std::memory_order_acq_rel);
  if (heap->is_absent()) return;
  heap->destroy();
  delete g_topology;
  g_topology = nullptr;
}

bool with_rte_heap(const std::function<void(core::Heap&)>& look) {
  const LockGuard guard(g_coming_and_going);
  if (rte_heap().is_absent()) return false;
  look(rte_heap());
  return true;
}

core::SlotStats stats_of_slot(const core::Heap& heap, SlotId slot, std::size_t class_size) {
  const Result<core::SlotStats> stats =
      class_size == 0 ? heap.slot_stats(slot.rep) : heap.slot_class_stats(slot.rep, class_size);
  return stats.ok() ? stats.value() : core::SlotStats{};
}

core::SlotStats stats_of_shared(const core::Heap& heap, std::size_t class_size) {
  core::SlotStats sum;
  for (unsigned n = 0; n < kMaxSlots; ++n) {
    const SlotId slot{static_cast<std::uint16_t>(n)};
    if (is_shared_slot(slot)) sum.add(stats_of_slot(heap, slot, class_size));
  }
  return sum;
}

}  // namespace fastmem::dpdk
