// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/rte_fastmem_stats.cc -- floor 3 (api). rte_fastmem.h: statistics.
#include <rte_lcore.h>

#include "api/dpdk/rte_heap.h"
#include "backends/dpdk/lcore_slots.h"

using namespace fastmem;        // NOLINT: the bodies of rte_fastmem.h
using namespace fastmem::dpdk;  // NOLINT

namespace {

// 0, or why there is nothing to tell.
int refuse(const void* out) {
  if (out == nullptr) return -EINVAL;
  return rte_heap().is_absent() ? -ENODEV : 0;
}

bool is_class(std::size_t class_size) { return rte_heap().class_stats(class_size).ok(); }

template <class Out>
void copy_counts(const core::SlotStats& from, Out& to) {
  to.alloc_cache_hits = from.alloc_hits;
  to.alloc_cache_misses = from.alloc_misses;
  to.alloc_nomem = from.nomem;
  to.free_cache_hits = from.free_hits;
  to.free_cache_misses = from.free_misses;
}

}  // namespace

int rte_fastmem_stats(struct rte_fastmem_stats* stats) {
  if (const int error = refuse(stats)) return error;
  const core::HeapStats s = rte_heap().stats();
  stats->bytes_backing = s.backing.rep;
  stats->bytes_in_use = s.in_use.rep;
  stats->alloc_total = s.allocs;
  stats->free_total = s.frees;
  stats->alloc_nomem = s.nomem;
  stats->n_classes = s.classes;
  return 0;
}

int rte_fastmem_stats_class(size_t class_size, struct rte_fastmem_class_stats* stats) {
  if (const int error = refuse(stats)) return error;
  const Result<core::ClassStats> of_class = rte_heap().class_stats(class_size);
  if (!of_class.ok()) return -EINVAL;
  const core::ClassStats& c = of_class.value();
  stats->class_size = c.size;
  stats->in_use = c.in_use;
  stats->alloc_cache_hits = c.alloc_hits;
  stats->alloc_cache_misses = c.alloc_misses;
  stats->alloc_nomem = c.nomem;
  stats->free_cache_hits = c.free_hits;
  stats->free_cache_misses = c.free_misses;
  stats->slab_acquires = c.slab_acquires;
  stats->slab_releases = c.slab_releases;
  stats->slabs_partial = c.slabs_partial + c.slabs_empty;
  stats->slabs_full = c.slabs_full;
  return 0;
}

int rte_fastmem_stats_lcore(unsigned int lcore_id, struct rte_fastmem_lcore_stats* stats) {
  if (const int error = refuse(stats)) return error;
  if (lcore_id >= RTE_MAX_LCORE) return -EINVAL;
  copy_counts(stats_of_slot(rte_heap(), slot_of_lcore(lcore_id), 0), *stats);
  return 0;
}

int rte_fastmem_stats_lcore_class(unsigned int lcore_id, size_t class_size,
                                  struct rte_fastmem_lcore_class_stats* stats) {
  if (const int error = refuse(stats)) return error;
  if (lcore_id >= RTE_MAX_LCORE || !is_class(class_size)) return -EINVAL;
  stats->class_size = class_size;
  copy_counts(stats_of_slot(rte_heap(), slot_of_lcore(lcore_id), class_size), *stats);
  return 0;
}

int rte_fastmem_stats_shared(struct rte_fastmem_lcore_stats* stats) {
  if (const int error = refuse(stats)) return error;
  copy_counts(stats_of_shared(rte_heap(), 0), *stats);
  return 0;
}

int rte_fastmem_stats_shared_class(size_t class_size, struct rte_fastmem_lcore_class_stats* stats) {
  if (const int error = refuse(stats)) return error;
  if (!is_class(class_size)) return -EINVAL;
  stats->class_size = class_size;
  copy_counts(stats_of_shared(rte_heap(), class_size), *stats);
  return 0;
}

void rte_fastmem_stats_reset(void) {
  core::Heap& heap = rte_heap();
  if (!heap.is_absent()) heap.reset_stats();
}
