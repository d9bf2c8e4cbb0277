// SPDX-License-Identifier: BSD-3-Clause
// core/heap_release.cc -- floor 2 (core). How memory goes back to the system, and pages come again where they had gone.
// Whole regions go first: they give back their address space and their books. Then pages inside of regions, unless a
// device may know them or somebody listens, who is told of whole regions. Each node keeps its floor.
#include <algorithm>

#include "core/heap.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kMostGranules = ~std::uint32_t{0} / 2;  // at once

}  // namespace

Bytes Heap::trim(Bytes most) {
  if (refuse_in_callback() != ErrorCode::kOk) return {};
  if (lost_) return {};
  end_rests();
  const LockGuard guard(admin_);
  for (unsigned n = 0; n < node_count_; ++n) reclaim_slow(n);
  Bytes gone;
  for (unsigned n = 0; n < node_count_ && gone < most; ++n) {
    const LockGuard growing(state_->nodes[n].growth);
    gone += release_free_regions(n, most - gone);
  }
  for (unsigned n = 0; n < node_count_ && gone < most; ++n) {
    const LockGuard growing(state_->nodes[n].growth);
    gone += discard_free_pages(n, most - gone);
  }
  return gone;
}

// ---- whole regions ---------------------------------------------------------------------------------------------------

// `keep`: so much stays held, if that is more than the floor.
Bytes Heap::release_free_regions(unsigned node, Bytes most, Bytes keep) {
  NodeState& n = state_->nodes[node];
  Bytes released;
  for (unsigned i = 1; i <= state_->regions.highest() && released < most; ++i) {
    const auto number = static_cast<RegionNumber>(i);
    const LockGuard telling(listeners_.mutex);
    const RegionInfo& info = state_->regions[number];
    if (!info.present || info.node != node || info.owner.load(std::memory_order_relaxed) != Owner::kBacking) continue;
    const Bytes held = n.pages.held();
    if (!take_out(number, std::max(Bytes{n.floor.load(std::memory_order_relaxed)}, keep))) continue;
    released += held - n.pages.held();
  }
  return released;
}

// A region goes, if nobody has any of it and so much of the node stays held.
bool Heap::take_out(RegionNumber number, Bytes keep) {
  const RegionInfo& info = state_->regions[number];
  NodeState& n = state_->nodes[info.node];
  const auto first = static_cast<ExtentIndex>(map_.granule_of(info.region.base));
  const auto granules = static_cast<std::uint32_t>(info.region.size.rep / kGranule);
  const Bytes books{granules * (sizeof(std::uint16_t) + sizeof(Extent))};
  if (!n.pages.remove_region(first, granules, books, keep)) return false;
  tell_goes(number);
  uninstall_region(number);
  n.growth.assert_held();
  n.forget_refusals();
  n.note_arrival();
  return true;
}

// ---- pages inside of regions -----------------------------------------------------------------------------------------

Bytes Heap::discard_free_pages(unsigned node, Bytes most) {
  if (whole_regions_.load(std::memory_order_relaxed) != 0) return {};
  NodeState& n = state_->nodes[node];
  const auto unit_of = [this](RegionNumber number) {
    const RegionInfo& info = state_->regions[number];
    return info.pinned.load(std::memory_order_relaxed) ? 0 : info.unit;
  };
  Bytes gone;
  while (gone < most) {
    const Bytes held = n.pages.held();
    const Bytes floor{n.floor.load(std::memory_order_relaxed)};
    const Bytes may_go = std::min(most - gone, held - std::min(held, floor));
    const std::size_t granules = std::min(may_go.rep / kGranule, kMostGranules);
    const ExtentIndex lifted = n.pages.lift_free(static_cast<std::uint32_t>(granules), unit_of);
    if (lifted == kNoExtent) break;
    const Bytes size{state_->extents[lifted].granules * kGranule};
    const RegionInfo& info = state_->regions[region_of(map_.address_of(lifted))];
    const Bytes offset{static_cast<std::size_t>(map_.address_of(lifted) - static_cast<std::byte*>(info.region.base))};
    if (!backing_->discard(info.region, offset, size).ok()) {
      n.pages.lay_free(lifted, false);
      break;
    }
    n.pages.lay_absent(lifted);
    gone += size;
  }
  n.growth.assert_held();
  if (gone.rep != 0) n.forget_refusals();
  return gone;
}

// An absent extent gets its pages. On an error it stays absent.
Error Heap::bring_back(unsigned node, ExtentIndex lifted) {
  NodeState& n = state_->nodes[node];
  const RegionNumber number = region_of(map_.address_of(lifted));
  const Region region = state_->regions[number].region;
  const Bytes size{state_->extents[lifted].granules * kGranule};
  const Bytes offset{static_cast<std::size_t>(map_.address_of(lifted) - static_cast<std::byte*>(region.base))};
  Error error = backing_->restore(region, offset, size);
  if (error.ok()) {
    error = state_->regions.renew(number, offset, size, *backing_);
    if (!error.ok()) backing_->discard(region, offset, size);
  }
  if (error.ok()) {
    n.note_came(region, offset, size);
    n.pages.lay_free(lifted, true);
    n.note_arrival();
  } else {
    n.pages.lay_absent(lifted);
  }
  return error;
}

Error Heap::bring_back_some(unsigned node, Bytes wanted, const Need& need) {
  const auto unit_of = [this](RegionNumber number) { return state_->regions[number].unit; };
  const Bytes room = room_to_grow(node);
  if (room < need.size()) return make_error(ErrorCode::kNoMemory, "the limit is reached");
  const std::size_t most = std::min({wanted.rep / kGranule, room.rep / kGranule + 1, kMostGranules});
  const ExtentIndex lifted =
      state_->nodes[node].pages.lift_absent(need.granules, need.align, static_cast<std::uint32_t>(most), unit_of);
  if (lifted == kNoExtent) return make_error(ErrorCode::kNoMemory, "nothing was given back");
  return bring_back(node, lifted);
}

// Where no region is to be had: free memory that lies between what was given back joins it.
bool Heap::bring_back_all(unsigned node) {
  bool any = false;
  while (bring_back_some(node, kUnlimited, {.granules = 1}).ok()) any = true;
  return any;
}

// For as long as somebody listens. What discards looks at the count under the growth lock that is taken here.
Error Heap::keep_regions_whole() {
  open_guards();
  whole_regions_.fetch_add(1, std::memory_order_relaxed);
  for (unsigned n = 0; n < node_count_; ++n) {
    const LockGuard growing(state_->nodes[n].growth);
    Error why;
    while (why.ok() && state_->nodes[n].pages.absent().rep != 0) why = bring_back_some(n, kUnlimited, {.granules = 1});
    if (why.ok()) continue;
    let_regions_break();
    return make_error(
        ErrorCode::kNoMemory,
        "a listener is told of whole regions, and %zu KiB of node %u that were given back do not come again: "
        "%.200s",
        state_->nodes[n].pages.absent() / kKiB, unsigned{state_->nodes[n].id.rep}, why.text);
  }
  return {};
}

// Who looks up a device's addresses wants every page of a region, and none that faults. It stays so.
void Heap::open_guards() {
  if (!config_.hardening.guard_granules) return;
  state_->hardener.stop_denying();
  for (unsigned b = 0; b < state_->bin_count(); ++b) {
    if (state_->bins[b].size_class().size != 0) state_->bins[b].open_guards();
  }
}

Error Heap::bring_back_region(RegionNumber number) {
  const unsigned node = node_of(number);
  for (;;) {
    const ExtentIndex lifted = state_->nodes[node].pages.lift_absent_of(number);
    if (lifted == kNoExtent) return {};
    if (const Error error = bring_back(node, lifted); !error.ok()) return error;
  }
}

// Returns the one before.
std::size_t Heap::change_floor(unsigned node, Bytes floor) {
  const LockGuard guard(admin_);  // nothing goes back meanwhile
  return state_->nodes[node].floor.exchange(floor.rep, std::memory_order_relaxed);
}

Error Heap::set_floor(Bytes floor, NodeId node) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  const Place asked = node == kAnyNode ? Place{-1, false} : place(node);
  const int only = asked.first;
  if (node != kAnyNode && only < 0) return no_place(node);
  Error first;
  for (unsigned n = 0; n < node_count_; ++n) {
    if (only >= 0 && n != static_cast<unsigned>(only) && !(asked.whole_kind && akin(n, node))) continue;
    // First: nothing that comes for it goes back before it counts.
    const std::size_t before = change_floor(n, floor);
    const Error error = floor.rep != 0 ? reserve(floor, state_->nodes[n].id) : Error{};
    if (error.ok()) continue;
    change_floor(n, Bytes{before});
    if (first.ok()) first = error;
  }
  return first;
}

}  // namespace fastmem::core
