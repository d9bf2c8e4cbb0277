// SPDX-License-Identifier: BSD-3-Clause
// core/heap_zones.cc -- floor 2 (core). Named zones: memory that is found by name.
#include <algorithm>

#include "core/heap.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kLeastZoneAlign = 64;  // a cache line, when 0 is asked

}  // namespace

Error Heap::zone_reserve(const char* name, const Request& request, Zone& out) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  if (is_absent() || lost_) return own_slot_slow(), last_error();  // says so
  unsigned number = 0;
  if (const Error error = state_->zones.claim(name, number); !error.ok()) return error;
  Request r = request;
  if (r.align == 0) r.align = std::max(kLeastZoneAlign, config_.default_align);
  void* const p = r.size != 0 ? alloc(r) : alloc_largest(r);
  if (p == nullptr) {
    const Error why = last_error();
    state_->zones.forget(number);
    return why;
  }
  const RegionNumber region = region_of(p);
  out = Zone{};
  std::copy(name, name + strnlen(name, kLongestZoneName), out.name);
  out.base = p;
  out.size = Bytes{r.size};
  out.page_size = state_->regions[region].region.page_size;
  out.iova = (r.flags & kContiguous) != 0 ? iova_of(p) : kBadIova;
  out.node = state_->nodes[node_of(region)].id;
  out.flags = r.flags;
  state_->zones.publish(number, out);
  return {};
}

Error Heap::zone_free(const char* name) {
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  if (is_absent() || lost_) return own_slot_slow(), last_error();
  Zone zone;
  const Error error = state_->zones.take_out(name, zone);
  if (error.ok()) free(zone.base);
  return error;
}

Result<Zone> Heap::zone(const char* name) const {
  Zone found;
  const Error error = state_->zones.find(name, found);
  if (!error.ok()) return error;
  return found;
}

// ---- the largest -----------------------------------------------------------------------------------------------------

Result<Bytes> Heap::zone_largest(std::size_t align, NodeId node) {
  if (align != 0 && !is_power_of_two(align)) {
    return make_error(ErrorCode::kInvalid, "alignment %zu is not a power of two", align);
  }
  const Place asked = node == kAnyNode ? Place{static_cast<int>(home()), false} : place(node);
  if (asked.first < 0) return no_place(node);
  const auto first = static_cast<unsigned>(asked.first);
  const unsigned nodes = node == kAnyNode   ? state_->nodes[first].reach
                         : asked.whole_kind ? state_->nodes[first].kin
                                            : 1;
  Bytes largest;
  for (unsigned k = 0; k < nodes; ++k) {
    largest = std::max(largest, largest_held(state_->nodes[first].nearest[k], align));
  }
  return largest;
}

Bytes Heap::largest_held(unsigned node, std::size_t align) const {
  const auto granules = static_cast<std::uint32_t>(std::clamp<std::size_t>(align / kGranule, 1, map_.granules()));
  return Bytes{state_->nodes[node].pages.largest(granules) * kGranule};
}

// All that can be had in one piece of what is held, of the first node that has any. r.size: how much that is.
void* Heap::alloc_largest(Request& r) {
  ClassId size_class;
  Request least = r;
  least.size = std::max(kMaxSize + 1, r.align);  // what it says of the other wishes holds for any size
  if (resolve(least.size, r.align, r.flags, size_class) != ErrorCode::kOk) return nullptr;
  if (r.boundary != 0 && (!is_power_of_two(r.boundary) || r.boundary < kGranule)) {
    return fail(ErrorCode::kInvalid, "the largest zone that crosses no multiple of %zu: no power of two from %zu on",
                r.boundary, std::size_t{kGranule}),
           nullptr;
  }
  const Place asked = r.node == kAnyNode ? Place{static_cast<int>(home()), false} : place(r.node);
  if (asked.first < 0) return set_last_error(no_place(r.node)), nullptr;
  const NodeState& first = state_->nodes[asked.first];
  const unsigned reach =
      reach_of(static_cast<unsigned>(asked.first), asked.whole_kind ? r.flags | kWholeKind : r.flags);
  for (unsigned k = 0; k < reach; ++k) {
    const unsigned node = first.nearest[k];
    const ExtentIndex extent = take_largest(node, need_for(r));
    if (extent == kNoExtent) continue;
    r.size = state_->extents[extent].granules * kGranule;
    return use_large(extent, r);
  }
  fail(ErrorCode::kNoMemory, "nothing free is held on node %u: reserve some first", unsigned{first.id.rep});
  return nullptr;
}

// The first look is at all of it. Where contiguity or a boundary stands against that, by halves between nothing and it.
ExtentIndex Heap::take_largest(unsigned node, Need need) {
  std::size_t most = largest_held(node, need.alignment().rep).rep;
  if (need.boundary != 0) most = std::min(most, need.boundary);
  const auto take = [&](std::uint32_t granules) {
    need.granules = granules;
    return granules != 0 ? take_held_large(node, need) : kNoExtent;
  };
  auto too_many = static_cast<std::uint32_t>(most / kGranule);
  if (const ExtentIndex all = take(too_many); all != kNoExtent) return all;
  std::uint32_t had = 0;
  while (too_many - had > 1 && too_many != 0) {
    const std::uint32_t half = had + (too_many - had) / 2;
    const ExtentIndex extent = take(half);
    if (extent == kNoExtent) {
      too_many = half;
    } else {
      state_->nodes[node].pages.untake_large(extent);  // a larger one may overlap it
      had = half;
    }
  }
  ExtentIndex found = kNoExtent;  // another thread may have taken it meanwhile
  while (had != 0 && (found = take(had)) == kNoExtent) had /= 2;
  return found;
}

}  // namespace fastmem::core
