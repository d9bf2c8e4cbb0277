// SPDX-License-Identifier: BSD-3-Clause
// core/heap_stats.cc -- floor 2 (core). Statistics by derivation: the hot path counts frees, slow paths count what they
// move, and everything else follows from the laws in core/stats.h.
#include <algorithm>

#include "core/heap.h"

namespace fastmem::core {
namespace {

std::uint64_t less(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }  // threads may be between two counts

Error no_class(std::size_t size) { return make_error(ErrorCode::kInvalid, "no class of %zu bytes", size); }
Error no_slot(unsigned slot) { return make_error(ErrorCode::kInvalid, "slot %u was never used", slot); }

SlotStats slot_stats_from(const CacheCounts& c, std::size_t class_size) {
  SlotStats s;
  s.class_size = class_size;
  s.cached = c.cached;
  s.alloc_hits = less(c.allocs, c.alloc_misses);
  s.alloc_misses = c.alloc_misses;
  s.nomem = c.nomem;
  s.free_hits = less(c.frees, c.free_misses);
  s.free_misses = c.free_misses;
  return s;
}

}  // namespace

ClassId Heap::class_of_size(std::size_t class_size) const {
  const ClassId c = class_of(state_->profile, class_size);
  return c != kNoClass && state_->classes[c].size == class_size ? c : kNoClass;
}

// One slot over all nodes; of one class, or of all (kNoClass).
CacheCounts Heap::slot_counts(const Slot& s, ClassId only) const {
  CacheCounts sum{};
  for (unsigned n = 0; n < node_count_; ++n) {
    for (unsigned c = 1; c <= state_->classes.count; ++c) {
      if (only != kNoClass && c != only.rep) continue;
      sum.add(s.counts(bin_id(n, ClassId{static_cast<std::uint8_t>(c)})));
    }
  }
  return sum;
}

void Heap::add_memory_held(HeapStats& s) const {
  for (unsigned n = 0; n < node_count_; ++n) {
    const PageHeap& pages = state_->nodes[n].pages;
    s.backing += pages.held();
    s.slabs += pages.used();
    s.regions += pages.regions();
  }
}

HeapStats Heap::stats() const {
  if (refuse_in_callback() != ErrorCode::kOk) return {};
  const LockGuard guard(stats_);
  HeapStats s;
  for (unsigned c = 1; c <= state_->classes.count; ++c) {
    const Result<ClassStats> of_class = class_stats_locked(state_->classes.classes[c].size);
    const ClassStats& k = of_class.value();
    s.in_use += Bytes{static_cast<std::size_t>(k.in_use) * k.size};
    s.cached += Bytes{static_cast<std::size_t>(k.cached) * k.size};
    s.allocs += k.alloc_hits + k.alloc_misses;
    s.frees += k.free_hits + k.free_misses;
    s.nomem += k.nomem;
  }
  for (unsigned id = 0; id < kMaxSlots; ++id) {
    if (slot(id) != nullptr && id != 0 && slot(id)->holds_caches(state_->bin_count())) ++s.slots;
  }
  for (unsigned n = 0; n < node_count_; ++n) {
    const LargeCounts& large = state_->nodes[n].pages.large();
    s.in_use += Bytes{large.granules.load(std::memory_order_relaxed) * kGranule};
    s.allocs += large.allocs.load(std::memory_order_relaxed);
    s.frees += large.frees.load(std::memory_order_relaxed);
    s.nomem += state_->nodes[n].large_nomem.load(std::memory_order_relaxed);
  }
  add_memory_held(s);  // last: what is in use by now is in memory that is held by now
  s.metadata = state_->arena.bytes() + own_bytes_;
  s.cache_room = state_->budget.granted();
  s.elsewhere = state_->elsewhere.load(std::memory_order_relaxed);
  s.misuses = state_->misuses.load(std::memory_order_relaxed);
  s.classes = state_->classes.count;
  s.nodes = node_count_;
  return s;
}

Result<ClassStats> Heap::class_stats(std::size_t class_size) const {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const LockGuard guard(stats_);
  return class_stats_locked(class_size);
}

Result<ClassStats> Heap::class_stats_locked(std::size_t class_size) const {
  const ClassId c = class_of_size(class_size);
  if (c == kNoClass) return no_class(class_size);
  CacheCounts counts{};
  for (unsigned id = 0; id < kMaxSlots; ++id) {
    if (const Slot* const s = slot(id)) counts.add(slot_counts(*s, c));
  }
  ClassStats k;
  std::uint64_t slabs = 0;
  for (unsigned n = 0; n < node_count_; ++n) {
    const BinCounts b = bin(bin_id(n, c)).counts();
    slabs += b.slabs;
    k.free_in_slabs += b.free;
    k.cached += b.depot;
    k.slab_acquires += b.acquires;
    k.slab_releases += b.releases;
    k.slabs_empty += b.empty;
    k.slabs_partial += b.partial;
    k.slabs_full += b.full;
  }
  const SlotStats hits = slot_stats_from(counts, class_size);
  k.size = class_size;
  k.cached += counts.cached;
  k.objects_per_slab = state_->classes[c].objects;
  k.in_use = less(slabs * k.objects_per_slab, k.free_in_slabs + k.cached);
  k.alloc_hits = hits.alloc_hits;
  k.alloc_misses = hits.alloc_misses;
  k.nomem = hits.nomem;
  k.free_hits = hits.free_hits;
  k.free_misses = hits.free_misses;
  return k;
}

Result<SlotStats> Heap::slot_stats(unsigned id) const {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const Slot* const s = id < kMaxSlots ? slot(id) : nullptr;
  if (s == nullptr) return no_slot(id);
  const LockGuard guard(stats_);
  return slot_stats_from(slot_counts(*s, kNoClass), 0);
}

Result<SlotStats> Heap::slot_class_stats(unsigned id, std::size_t class_size) const {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const Slot* const s = id < kMaxSlots ? slot(id) : nullptr;
  if (s == nullptr) return no_slot(id);
  const ClassId c = class_of_size(class_size);
  if (c == kNoClass) return no_class(class_size);
  const LockGuard guard(stats_);
  return slot_stats_from(slot_counts(*s, c), class_size);
}

Result<KindStats> Heap::kind_stats(NodeId node) const {
  const int exact = node_index(node);
  if (exact < 0 && !has_kind(node)) return no_place(node);
  KindStats sum;
  sum.limit = kUnlimited;
  for (unsigned n = 0; n < node_count_; ++n) {
    if (exact >= 0 ? n != static_cast<unsigned>(exact) : !akin(n, node)) continue;
    const NodeState& state = state_->nodes[n];
    const Bytes held = state.pages.held();
    const Bytes used = state.pages.used();
    sum.sent_elsewhere += state.sent_elsewhere.load(std::memory_order_relaxed);
    sum.served_for_others += state.served_for_others.load(std::memory_order_relaxed);
    sum.backing += held;
    sum.slabs += used;
    sum.free += held - std::min(held, used);
    sum.limit = std::min(sum.limit, state.pages.limit());
    sum.regions += state.pages.regions();
    ++sum.nodes;
  }
  return sum;
}

// Of a whole kind, its nodes together.
Result<NodeStats> Heap::node_stats(NodeId node) const {
  const int index = node_index(node);
  if (index < 0) {
    // A heap without kinds has no number but those of its nodes: who adds them up finds each once.
    const bool has_kinds = topology_->kind_tag(0) != nullptr;
    const Result<KindStats> all = kind_stats(node);
    if (!has_kinds || !all.ok()) return make_error(ErrorCode::kNoNode, "node %u is not there", unsigned{node.rep});
    const KindStats& k = all.value();
    NodeStats s{node, k.backing, k.slabs, k.free, {}, k.limit, k.regions};
    for (unsigned n = 0; n < node_count_; ++n) {
      if (akin(n, node)) s.metadata += state_->nodes[n].pages.books();
    }
    return s;
  }
  const PageHeap& pages = state_->nodes[index].pages;
  NodeStats s;
  s.node = node;
  s.backing = pages.held();
  s.slabs = pages.used();
  s.free = s.backing - std::min(s.backing, s.slabs);
  s.metadata = pages.books();
  s.limit = pages.limit();
  s.regions = pages.regions();
  return s;
}

Result<MemoryStats> Heap::memory_stats(NodeId node) const {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const int only = node == kAnyNode ? -1 : node_index(node);
  if (node != kAnyNode && only < 0 && !has_kind(node)) return no_place(node);
  MemoryStats sum;
  for (unsigned n = 0; n < node_count_; ++n) {
    if (only >= 0 ? n != static_cast<unsigned>(only) : node != kAnyNode && !akin(n, node)) continue;
    NodeState& from = state_->nodes[n];
    const PageHeapCounts counts = from.pages.counts();
    MemoryStats s;
    s.free = counts.free;
    s.large = Bytes{from.pages.large().granules.load(std::memory_order_relaxed) * kGranule};
    s.slabs = counts.used - std::min(counts.used, s.large);
    s.total = s.slabs + s.large + s.free;
    s.largest_free = counts.largest_free;
    s.away = counts.absent;
    s.floor = Bytes{from.floor.load(std::memory_order_relaxed)};
    s.free_pieces = counts.free_extents;
    s.large_objects = from.pages.large().objects.load(std::memory_order_relaxed);
    s.regions = from.pages.regions();
    sum.add(s);
  }
  return sum;
}

std::size_t Heap::regions(std::span<RegionStats> out) const {
  const LockGuard guard(state_->regions.mutex());
  std::size_t written = 0;
  for (unsigned n = 1; n <= state_->regions.highest() && written < out.size(); ++n) {
    const RegionInfo& info = state_->regions[static_cast<RegionNumber>(n)];
    if (!info.present) continue;
    RegionStats& r = out[written++];
    r = {info.region.base, info.region.size, info.region.page_size, info.region.node};
    const IovaState known = info.iova.load(std::memory_order_acquire);
    r.one_run = known == IovaState::kOneRun;
    if (known == IovaState::kOneRun) r.iova = info.run;
    if (known == IovaState::kTable) r.iova = info.table[0];
  }
  return written;
}

void Heap::reset_stats() {
  if (refuse_in_callback() != ErrorCode::kOk) return;
  const LockGuard guard(stats_);
  for (unsigned id = 0; id < kMaxSlots; ++id) {
    if (Slot* const s = slot(id)) s->reset_counts(state_->bin_count());
  }
  state_->elsewhere.store(0, std::memory_order_relaxed);
  for (unsigned n = 0; n < node_count_; ++n) {
    state_->nodes[n].pages.reset_large();
    state_->nodes[n].large_nomem.store(0, std::memory_order_relaxed);
    state_->nodes[n].sent_elsewhere.store(0, std::memory_order_relaxed);
    state_->nodes[n].served_for_others.store(0, std::memory_order_relaxed);
  }
}

}  // namespace fastmem::core
