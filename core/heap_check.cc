// SPDX-License-Identifier: BSD-3-Clause
// core/heap_check.cc -- floor 2 (core). Every invariant of a heap, part by part: check().
#include <algorithm>
#include <optional>

#include "core/check_walk.h"
#include "core/heap.h"
#include "platform/address_space.h"

namespace fastmem::core {
namespace {

bool same_classes(const SizeClasses& a, const SizeClasses& b) { return a.count == b.count && a.classes == b.classes; }

// What lies in the regions of one node. Granules, but for the objects.
struct NodeTally {
  std::size_t used = 0;
  std::size_t large_granules = 0;
  std::size_t large_objects = 0;
  unsigned regions = 0;
};

// What lies in all of them.
struct Tally {
  NodeTally nodes[kMaxNodes];
  std::uint64_t slabs = 0;
  std::size_t free = 0;
  std::size_t absent = 0;
  std::size_t nobodys = 0;  // the one given back last, of each node
};

void count_extent(Tally& all, NodeTally& node, const Extent& e, ExtentKind kind) {
  switch (kind) {
    case ExtentKind::kFree:
      ++all.free;
      return;
    case ExtentKind::kAbsent:
      ++all.absent;
      return;
    case ExtentKind::kNone:
      ++all.nobodys;
      return;
    case ExtentKind::kLarge:
      ++node.large_objects;
      node.large_granules += e.granules;
      break;
    case ExtentKind::kSlab:
    case ExtentKind::kSlabAside:
      ++all.slabs;
      break;
    case ExtentKind::kAside:
      break;
  }
  node.used += e.granules;
}

bool is_free(ExtentKind kind) { return kind == ExtentKind::kFree || kind == ExtentKind::kAbsent; }
bool is_slab(ExtentKind kind) { return kind == ExtentKind::kSlab || kind == ExtentKind::kSlabAside; }

// An extent of a region that ends at `end`. false: nobody knows where the next one begins.
bool check_extent(CheckWalk& walk, ExtentIndex g, ExtentIndex end, RegionNumber region, unsigned bins) {
  const Extent& e = walk.extents[g];
  const ExtentKind kind = e.kind.load(std::memory_order_relaxed);
  const bool is_one = kind <= ExtentKind::kSlabAside && e.head == g && e.granules != 0 && e.granules <= end - g;
  if (!walk.expect(is_one, "a region's extents do not lie side by side", &e)) return false;
  ++walk.report().extents;
  walk.expect(walk.extents[g + e.granules - 1].head == g,
              "the last granule of an extent does not lead to its first one", &walk.extents[g + e.granules - 1].head);
  walk.expect(!is_slab(kind) || e.bin.rep < bins, "a slab is of no bin", &e.bin);
  for (ExtentIndex i = g; i < g + e.granules; ++i) {
    walk.expect(walk.extents[i].region.load(std::memory_order_relaxed) == region, "a granule is of another region",
                &walk.extents[i].region);
    if (kind == ExtentKind::kSlab) continue;  // its bin has seen to them
    ++walk.report().map_entries;
    walk.expect(walk.map.says(walk.map.address_of(i), kNoBin), "the map says a bin where no slab is",
                walk.map.address_of(i));
  }
  return true;
}

void check_region(CheckWalk& walk, const RegionInfo& info, RegionNumber number, unsigned bins, Tally& all) {
  const auto first = static_cast<ExtentIndex>(walk.map.granule_of(info.region.base));
  const auto end = static_cast<ExtentIndex>(first + info.region.size.rep / kGranule);
  NodeTally& node = all.nodes[info.node];
  ++node.regions;
  ExtentKind before = ExtentKind::kNone;
  for (ExtentIndex g = first; g < end; g += walk.extents[g].granules) {
    if (!check_extent(walk, g, end, number, bins)) return;
    const ExtentKind kind = walk.extents[g].kind.load(std::memory_order_relaxed);
    walk.expect(kind != before || !is_free(kind), "two free extents touch", &walk.extents[g]);
    count_extent(all, node, walk.extents[g], kind);
    before = kind;
  }
}

}  // namespace

// `exact`: no other thread is inside the heap until it returns; then nothing is left out.
CheckReport Heap::check(bool exact) const {
  CheckReport report;
  if (is_absent() || lost_) return report;
  const AddressRange window{reinterpret_cast<std::uintptr_t>(map_.address_of(0)),
                            reinterpret_cast<std::uintptr_t>(map_.address_of(map_.granules()))};
  // The arena, the map, the descriptors, and gaps around them where the heap has such: see build().
  auto* const books = reinterpret_cast<std::byte*>(state_);
  const std::size_t gap = Heap::gap(config_.hardening).rep;
  std::byte* const table = books + reserved_.rep - gap * 2 - round_up(ExtentTable::table_size(window), kSmallPage).rep;
  std::byte* const end = table - gap * 2 - round_up(PageMap::table_size(window), kSmallPage).rep;
  const ExtentTable extents(table);
  std::optional<SeenObjects> seen;
  if (exact) seen.emplace(map_);
  CheckWalk walk(report, map_, extents,
                 {reinterpret_cast<std::uintptr_t>(books), reinterpret_cast<std::uintptr_t>(end)},
                 exact ? &*seen : nullptr);
  if (!check_roots(walk)) return report;
  state_->zones.check(walk);
  const bool regions_known = state_->regions.check(walk, node_count_);
  check_slots(walk);
  for (unsigned b = 0; b < bin_count_; ++b) state_->bins[b].check(walk);
  check_nodes(walk);
  if (checker_ != nullptr) checker_->check(walk);
  state_->arena.check(walk);
  // A part that was not looked at is missing in every sum.
  if (exact && regions_known && report.busy == 0) check_regions(walk);
  return report;
}

// What every thread would have noticed.
void Heap::check_invariants() const {
  const CheckReport report = check(false);
  if (report.ok()) return;
  for (unsigned i = 0; i < report.told; ++i) report::damaged_books(report.first[i].what, report.first[i].where);
  FM_CHECK(report.ok());
}

// false: the rest would be looked for in the wrong places.
bool Heap::check_roots(CheckWalk& walk) const {
  const HeapState& s = *state_;
  const StateHeader& h = s.header;
  walk.expect(h.magic == kStateMagic && h.version == kStateVersion && h.layout == HeapState::layout(),
              "the books do not begin as books do", &h);
  const SizeClasses& made = size_classes(config_.profile);
  const bool same = same_classes(s.classes, backing_->in_pieces() ? in_least_slabs(made) : made);
  walk.expect(s.profile == config_.profile && same, "the table of size classes is not what it was made", &s.classes);
  const bool tables = s.map == map_ && s.extents == walk.extents && s.node_count == node_count_ &&
                      walk.in_books(s.nodes, Bytes{sizeof(NodeState) * node_count_}, alignof(NodeState)) &&
                      walk.in_books(s.bins, Bytes{sizeof(Bin) * bin_count_}, alignof(Bin)) &&
                      walk.in_books(s.droughts, Bytes{sizeof(Drought) * bin_count_}, alignof(Drought));
  if (!walk.expect(tables, "the heap's tables are not where they were made", &s) || !same) return false;
  bool as_made = true;
  for (unsigned b = 0; b < bin_count_; ++b) {
    as_made &= walk.expect(s.bins[b].is_as_made(made_bin(b)), "a bin is not what it was made", &s.bins[b]);
  }
  return as_made;
}

void Heap::check_slots(CheckWalk& walk) const {
  for (unsigned b = 0; b < bin_count_; ++b) {
    walk.expect(no_caches_[b].is_unloaded(), "a cache without a magazine is not empty", &no_caches_[b]);
  }
  for (unsigned id = 0; id < kMaxSlots; ++id) {
    const Slot* const s = slot(id);
    if (s == nullptr) continue;
    if (!walk.expect(walk.in_books(s, Bytes{sizeof(Slot)}, alignof(Slot)), "a slot is not where one may be",
                     &state_->slots[id])) {
      continue;
    }
    // Slot 0 is used under its lock only.
    const bool still = walk.exact() || id == 0 || id == thread_slot().rep;
    s->check(walk, SlotId{static_cast<std::uint16_t>(id)}, state_->bins, bin_count_, still);
  }
}

// A bin as it was made.
Bin Heap::made_bin(unsigned b) const {
  HeapState& s = *state_;
  return Bin(BinId{static_cast<std::uint16_t>(b)}, &s.classes.classes[b % kMaxClasses],
             {&s.map, &s.extents, &s.arena, &s.budget, &s.hardener}, &s.nodes[b / kMaxClasses].pages);
}

void Heap::check_nodes(CheckWalk& walk) const {
  for (unsigned k = 0; k < node_count_; ++k) {
    const NodeState& n = state_->nodes[k];
    const bool order = n.reach <= node_count_ && n.kin <= n.reach &&
                       std::all_of(n.nearest, n.nearest + std::min(n.reach, node_count_),
                                   [this](unsigned near) { return near < node_count_; });
    walk.expect(order && n.id == topology_->nodes()[k].id, "a node's neighbours are not what they were made", &n);
    const bool as_made = n.pages.is_as_made(&state_->map, &state_->extents, &state_->account);
    if (walk.expect(as_made, "a node's page heap is not what it was made", &n.pages)) n.pages.check(walk);
  }
}

// That nothing lies in the regions but what the parts know of, and the sums.
void Heap::check_regions(CheckWalk& walk) const {
  Tally all;
  for (unsigned n = 1; n <= state_->regions.highest(); ++n) {
    const auto number = static_cast<RegionNumber>(n);
    const RegionInfo& info = state_->regions[number];
    if (info.present) check_region(walk, info, number, bin_count_, all);
  }
  const CheckWalk::Sums& sums = walk.sums;
  walk.expect(all.slabs == sums.slabs, "there are slabs that no bin lists", state_->bins);
  // A slab whose guard was written stays nobody's.
  const bool nobodys_known =
      config_.hardening.guard_granules ? all.nobodys >= sums.warm_extents : all.nobodys == sums.warm_extents;
  walk.expect(all.free == sums.free_extents && all.absent == sums.absent_extents && nobodys_known,
              "there are free extents that no node lists", state_->nodes);
  for (unsigned k = 0; k < node_count_; ++k) {
    const NodeTally& t = all.nodes[k];
    const PageHeap& pages = state_->nodes[k].pages;
    walk.expect(pages.used().rep == t.used * kGranule && pages.regions() == t.regions,
                "a node has not as much in use as it says", &pages);
    walk.expect(pages.large().objects.load(std::memory_order_relaxed) == t.large_objects &&
                    pages.large().granules.load(std::memory_order_relaxed) == t.large_granules,
                "a node has not as many large objects as it says", &pages.large());
  }
  walk.expect(state_->account.used.load(std::memory_order_relaxed) == sums.used * kGranule,
              "the nodes have not as much in use as the heap says", &state_->account);
  walk.expect(state_->budget.granted().rep == sums.room, "caches have not as much room as the heap says",
              &state_->budget);
}

}  // namespace fastmem::core
