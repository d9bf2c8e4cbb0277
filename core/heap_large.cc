// SPDX-License-Identifier: BSD-3-Clause
// core/heap_large.cc -- floor 2 (core). Objects above the largest class, and those with wishes that no class knows: each
// is an extent of the page heap, with nothing of the heap's own near the user's data.
#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "core/heap.h"
#include "platform/address_space.h"

namespace fastmem::core {
namespace {

std::uint32_t granules_of(std::size_t size) {
  return static_cast<std::uint32_t>(size / kGranule + (size % kGranule != 0 ? 1 : 0));
}

bool crosses(std::uint64_t at, std::size_t size, std::size_t boundary) {
  return boundary != 0 && at / boundary != (at + size - 1) / boundary;
}

constexpr unsigned kMostWholes = 256;  // free extents looked into for one object

}  // namespace

// ---- alloc ---------------------------------------------------------------------------------------------------------

void* Heap::alloc(const Request& request) {
  if (is_absent()) return own_slot_slow();  // says so
  if (request.boundary != 0 && (!is_power_of_two(request.boundary) || request.boundary < request.size)) {
    fail(ErrorCode::kInvalid, "%zu bytes that do not cross a multiple of %zu: not a power of two, or too small",
         request.size, request.boundary);
    return nullptr;
  }
  Request r = request;
  const bool particular = r.boundary != 0 || (r.flags & kContiguous) != 0;
  // An object aligned to a power of two that is no smaller than itself crosses neither a page of that size nor a boundary.
  if (particular && r.size != 0 && r.size <= kMaxSize) {
    const std::size_t own = std::bit_ceil(r.size);
    if (own <= kSmallPage.rep || (r.flags & kContiguous) == 0) {
      r.align = std::max(r.align != 0 ? r.align : config_.default_align, own);
      r.flags &= ~kContiguous;
    }
  }
  ClassId size_class;
  if (resolve(r.size, r.align, r.flags, size_class) != ErrorCode::kOk) return nullptr;
  if (size_class != kNoClass) {
    void* const p = alloc_with(r.size, r.align, r.flags & ~kContiguous, r.node);
    if (p == nullptr || (r.flags & kContiguous) == 0) return p;
    const bool has_iova = iova_of(p) != kBadIova;
    if (has_iova && contiguous_from(p, r.size) == r.size) return p;
    const bool brought = state_->regions[region_of(p)].owner.load(std::memory_order_relaxed) != Owner::kBacking;
    free(p);
    if (!has_iova && !brought) return nullptr;  // else other memory that was brought may have IOVAs
  }
  const Place asked = r.node == kAnyNode ? Place{-1, false} : place(r.node);
  if (asked.first < 0 && r.node != kAnyNode) return set_last_error(no_place(r.node)), nullptr;
  if (asked.whole_kind) r.flags |= kWholeKind;
  return large_slow(r, asked.first);
}

Heap::Need Heap::need_for(const Request& r) const {
  const std::size_t align = std::max(r.align, config_.default_align);
  return {.granules = granules_of(r.size),
          .align = align > kGranule ? static_cast<std::uint32_t>(align / kGranule) : 1,
          .boundary = r.boundary,
          .contiguous = (r.flags & kContiguous) != 0,
          .large = true};
}

void* Heap::large_slow(const Request& request, int node) {
  if (checker_ != nullptr) return guarded_alloc(request, node);
  const ExtentIndex extent = plain_large(request, node);
  return extent != kNoExtent ? use_large(extent, request) : nullptr;
}

// From the node asked (-1: the caller's), then from the others, nearest first, unless it is to be strict.
ExtentIndex Heap::plain_large(const Request& request, int node) {
  Slot* const s = own_slot_slow();
  if (s == nullptr) return kNoExtent;
  const unsigned first = node < 0 ? home() : static_cast<unsigned>(node);
  const NodeState& asked = state_->nodes[first];
  const Need need = need_for(request);
  const unsigned reach = reach_of(first, request.flags);
  const unsigned looks = (request.flags & kAnyKind) != 0 ? 2 : 1;  // the first at what is held
  for (unsigned k = 0; k < reach * looks; ++k) {
    const unsigned from = asked.nearest[k % reach];
    const bool grows = k / reach + 1 == looks;
    const auto take = [&] { return grows ? take_large(from, need) : take_held_large(from, need); };
    ExtentIndex extent = take();
    while (extent != kNoExtent && !is_still_zero_large(extent)) extent = take();
    if (extent == kNoExtent) continue;
    if (from != first) count_elsewhere(first, from);
    tend_slow(*s);
    return extent;
  }
  state_->nodes[first].large_nomem.fetch_add(1, std::memory_order_relaxed);
  large_out_of_memory(first, request);
  return kNoExtent;
}

ExtentIndex Heap::take_held_large(unsigned node, const Need& need, bool* hopeless) {
  NodeState& n = state_->nodes[node];
  const bool particular = need.boundary != 0 || need.contiguous;
  bool ignored = false;
  return particular ? take_part(n, need, hopeless != nullptr ? *hopeless : ignored)
                    : n.pages.take_large(need.granules, need.align);
}

ExtentIndex Heap::take_large(unsigned node, const Need& need) {
  const Bytes held = state_->nodes[node].pages.held();
  bool hopeless = false;
  ExtentIndex extent = take_held_large(node, need, &hopeless);
  if (extent != kNoExtent) return extent;
  Search looking{node, need, held};
  while (extent == kNoExtent && !hopeless && look_again_slow(looking)) extent = take_held_large(node, need, &hopeless);
  const bool particular = need.boundary != 0 || need.contiguous;
  if (extent != kNoExtent || particular || looking.tries < Search::kMostTries) return extent;
  // Each time memory came, others had it or gave it back to the system. Nothing goes back while `growth` is held.
  const LockGuard growing(state_->nodes[node].growth);
  if (grow_by(node, need.size(), need).ok()) extent = take_held_large(node, need, &hopeless);
  return extent;
}

void* Heap::use_large(ExtentIndex extent, const Request& request) {
  const Extent& e = state_->extents[extent];
  void* const p = map_.address_of(extent);
  const std::size_t soiled = (e.granules - e.clean) * kGranule;
  if ((request.flags & kZero) != 0) std::memset(p, 0, std::min(request.size, soiled));
  return p;
}

void Heap::large_out_of_memory(unsigned node, const Request& request) {
  NodeState& n = state_->nodes[node];
  const PageHeapCounts counts = n.pages.counts();
  const Error why = n.refused_because();
  const bool short_of_memory = why.ok() || why.code == ErrorCode::kNoMemory;
  fail(short_of_memory ? ErrorCode::kNoMemory : why.code,
       "no %zu KiB%s on node %u: %zu KiB held, %zu KiB free, at most %zu KiB in one piece; %.200s", request.size / 1024,
       (request.flags & kContiguous) != 0 ? " contiguous in IOVA space" : "", unsigned{n.id.rep}, n.pages.held() / kKiB,
       counts.free / kKiB, counts.largest_free / kKiB, why.ok() ? "the limit is reached" : why.text);
}

// ---- a part that is one run in IOVA space, or crosses no boundary ----------------------------------------------------

// Whole free extents are looked into outside of the page heap's lock: what the pages' IOVAs are may take asking. Others
// that find no memory meanwhile wait for `growth` before they call it short.
ExtentIndex Heap::take_part(NodeState& n, const Need& need, bool& hopeless) {
  const LockGuard growing(n.growth);
  PageHeap& pages = n.pages;
  ExtentIndex seen = kNoExtent;
  ExtentIndex found = kNoExtent;
  for (unsigned looks = 0; looks < kMostWholes && found == kNoExtent; ++looks) {
    const ExtentIndex whole = pages.take_whole(need.granules);
    if (whole == kNoExtent) break;
    std::uint32_t before = 0;
    Error no_iova;
    if (find_part(whole, need, before, no_iova)) {
      found = pages.keep(whole, before, need.granules);
      if (found != kNoExtent) break;
    }
    state_->extents[whole].next = std::exchange(seen, whole);
    if (no_iova.ok()) continue;
    n.say_why_not(no_iova);
    hopeless = true;
    // The backing's regions are all alike; of memory that was brought other pieces may have IOVAs.
    const RegionInfo& info = state_->regions[region_of(map_.address_of(whole))];
    if (info.owner.load(std::memory_order_relaxed) == Owner::kBacking) break;
  }
  while (seen != kNoExtent) pages.give_whole(std::exchange(seen, state_->extents[seen].next));
  return found;
}

bool Heap::find_part(ExtentIndex whole, const Need& need, std::uint32_t& before, Error& no_iova) {
  const std::size_t size = need.size().rep;
  const std::size_t step = need.alignment().rep;
  const auto base = reinterpret_cast<std::uintptr_t>(map_.address_of(whole));
  const std::uintptr_t end = base + state_->extents[whole].granules * kGranule;
  for (std::uintptr_t at = round_up(base, step); at + size <= end; at += step) {
    if (crosses(at, size, need.boundary)) continue;
    if (need.contiguous) {
      const auto* const p = reinterpret_cast<const void*>(at);
      const std::size_t run = contiguous_from(p, size);
      if (run == 0) return no_iova = last_error(), false;
      if (run < size) {
        at += round_up(run, step) - step;  // nothing that begins before the break will do
        continue;
      }
      if (crosses(known_iova(p).rep, size, need.boundary)) continue;
    }
    before = static_cast<std::uint32_t>((at - base) / kGranule);
    return true;
  }
  return false;
}

// ---- free, size, realloc ---------------------------------------------------------------------------------------------

// The large object that begins at p; kNoExtent: there is none.
ExtentIndex Heap::large_at(const void* p) const {
  const std::size_t granule = map_.granule_of(p);
  if (granule >= map_.granules() || map_.address_of(granule) != p) return kNoExtent;
  const auto extent = static_cast<ExtentIndex>(granule);
  const bool is_large = state_->extents[extent].kind.load(std::memory_order_acquire) == ExtentKind::kLarge;
  return is_large ? extent : kNoExtent;
}

ErrorCode Heap::large_free_slow(ExtentIndex extent, void* p) {
  if (own_slot_slow() == nullptr) return last_error().code;
  const RegionNumber region = state_->extents[extent].region.load(std::memory_order_relaxed);
  NodeState& n = state_->nodes[node_of(region)];
  erase(p, state_->extents[extent].granules * kGranule);
  using Given = PageHeap::Given;
  const Given given = n.pages.give_large_unless(extent, region, [&] { return is_aside(region); });
  if (given == Given::kNo || (given == Given::kAside && !give_aside(extent, region)))
    return foreign_free(p);  // of two threads that free it one has it
  n.note_arrival();
  if (state_->account.attention.load(std::memory_order_relaxed) == Account::kWanted) [[unlikely]]
    attend_slow();
  return ErrorCode::kOk;
}

// In place, into the free neighbour or out of its own tail.
bool Heap::resize_large(ExtentIndex extent, std::size_t size) {
  Extent& e = state_->extents[extent];
  NodeState& n = state_->nodes[node_of(e.region.load(std::memory_order_relaxed))];
  const RegionNumber region = e.region.load(std::memory_order_relaxed);
  const std::uint32_t before = e.granules;
  const std::uint32_t wanted = granules_of(size);
  if (wanted > before && !n.pages.extend(extent, wanted)) return false;
  if (wanted < before) {
    erase(map_.address_of(extent + wanted), (before - wanted) * kGranule);
    n.pages.shrink(extent, wanted, [&] { return is_aside(region); });  // there its tail serves nobody
    n.note_arrival();
  }
  return true;
}

}  // namespace fastmem::core
