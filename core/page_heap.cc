// SPDX-License-Identifier: BSD-3-Clause
#include "core/page_heap.h"

#include <algorithm>
#include <bit>

namespace fastmem::core {
namespace {

constexpr unsigned kLooks = 16;  // extents tried for a lucky alignment before one is taken that holds any

std::uint32_t padding(ExtentIndex first, std::uint32_t align) {
  return static_cast<std::uint32_t>(round_up(std::size_t{first}, align) - first);
}

}  // namespace

// Which list a free extent of this many granules is in: every extent of a later list is larger.
PageHeap::Place PageHeap::place_of(std::uint32_t granules) {
  const unsigned doubling = static_cast<unsigned>(std::bit_width(granules | 1)) - 1;
  const unsigned quarter = doubling < 2 ? (granules << (2 - doubling)) & 3 : (granules >> (doubling - 2)) & 3;
  return {doubling, quarter};
}

ExtentIndex PageHeap::take(std::uint32_t granules, std::uint32_t align) {
  const LockGuard guard(mutex_);
  if (!within_limit(granules)) return kNoExtent;
  const ExtentIndex found = find(granules, align);
  if (found == kNoExtent) return kNoExtent;
  const std::uint32_t length = (*extents_)[found].granules;
  remove(found);
  const std::uint32_t before = padding(found, align);
  const ExtentIndex first = found + before;
  if (before != 0) insert(found, before);
  if (length != before + granules) insert(first + granules, length - before - granules);
  for (ExtentIndex g = first; g < first + granules; ++g) (*extents_)[g].head = first;
  (*extents_)[first].granules = granules;
  (*extents_)[first].kind.store(ExtentKind::kNone, std::memory_order_relaxed);
  used_.fetch_add(granules, std::memory_order_relaxed);
  return first;
}

void PageHeap::give(ExtentIndex extent) {
  const LockGuard guard(mutex_);
  give_locked(extent);
}

void PageHeap::give_locked(ExtentIndex extent) {
  ExtentIndex first = extent;
  std::uint32_t granules = (*extents_)[extent].granules;
  used_.fetch_sub(granules, std::memory_order_relaxed);
  const std::uint16_t region = (*extents_)[extent].region.load(std::memory_order_relaxed);

  const ExtentIndex after = first + granules;
  if (after < map_->granules() && in_region(after, region) && is_free(after)) {
    granules += (*extents_)[after].granules;
    remove(after);
  }
  if (first > 0 && in_region(first - 1, region)) {
    const ExtentIndex before = (*extents_)[first - 1].head;  // kept right for both ends of every extent
    if (is_free(before)) {
      granules += (*extents_)[before].granules;
      remove(before);
      first = before;
    }
  }
  (*extents_)[extent].kind.store(ExtentKind::kNone, std::memory_order_relaxed);
  insert(first, granules);
}

void PageHeap::add_region(ExtentIndex first, std::uint32_t granules, Bytes books) {
  const LockGuard guard(mutex_);
  insert(first, granules);
  held_.fetch_add(granules, std::memory_order_relaxed);
  books_.fetch_add(books.rep, std::memory_order_relaxed);
  regions_.fetch_add(1, std::memory_order_relaxed);
}

bool PageHeap::remove_region(ExtentIndex first, std::uint32_t granules, Bytes books) {
  const LockGuard guard(mutex_);
  if (!is_free(first) || (*extents_)[first].granules != granules) return false;
  remove(first);
  held_.fetch_sub(granules, std::memory_order_relaxed);
  books_.fetch_sub(books.rep, std::memory_order_relaxed);
  regions_.fetch_sub(1, std::memory_order_relaxed);
  floor_ = std::min(floor_, held_.load(std::memory_order_relaxed) * kGranule);
  return true;
}

PageHeap::Found PageHeap::set_aside(ExtentIndex first, std::uint32_t granules, std::span<ExtentIndex> slabs) {
  const LockGuard guard(mutex_);
  Found found{0, 0};
  for (ExtentIndex i = first; i < first + granules; i += (*extents_)[i].granules) {
    Extent& e = (*extents_)[i];
    switch (e.kind.load(std::memory_order_relaxed)) {
      case ExtentKind::kFree:
        remove(i);
        e.kind.store(ExtentKind::kAside, std::memory_order_relaxed);
        used_.fetch_add(e.granules, std::memory_order_relaxed);
        break;
      case ExtentKind::kSlab:
        if (found.slabs == slabs.size()) return found;
        slabs[found.slabs++] = i;
        break;
      case ExtentKind::kNone:
        ++found.in_motion;
        break;
      default:
        break;
    }
  }
  return found;
}

void PageHeap::bring_back(ExtentIndex first, std::uint32_t granules) {
  const LockGuard guard(mutex_);
  for (ExtentIndex i = first; i < first + granules;) {
    const ExtentIndex after = i + (*extents_)[i].granules;
    if ((*extents_)[i].kind.load(std::memory_order_relaxed) == ExtentKind::kAside) give_locked(i);
    i = after;
  }
}

Bytes PageHeap::room_to_grow() const {
  const LockGuard guard(mutex_);
  const std::size_t limit = limit_.load(std::memory_order_relaxed);
  const std::size_t held = held_.load(std::memory_order_relaxed) * kGranule;
  return Bytes{limit > held ? limit - held : 0};
}

void PageHeap::set_limit(Bytes limit) {
  const LockGuard guard(mutex_);
  limit_.store(limit.rep, std::memory_order_relaxed);
  floor_ = held_.load(std::memory_order_relaxed) * kGranule;
}

// A limit finer than a region holds for what is handed out of it, the node's books counted.
bool PageHeap::within_limit(std::uint32_t granules) const {
  const std::size_t used = (used_.load(std::memory_order_relaxed) + granules) * kGranule;
  if (used <= floor_) return true;
  const std::size_t limit = limit_.load(std::memory_order_relaxed);
  return used <= limit && books_.load(std::memory_order_relaxed) <= limit - used;
}

// First fit among the smallest that may hold it, with a lucky alignment; then any that holds it however it is aligned;
// last, before memory is called short, every one.
ExtentIndex PageHeap::find(std::uint32_t granules, std::uint32_t align) const {
  const ExtentIndex lucky = find_from(place_of(granules), granules, align, kLooks);
  if (lucky != kNoExtent) return lucky;
  const ExtentIndex roomy = find_from(place_of(granules + align - 1), granules, align, kLooks);
  if (roomy != kNoExtent) return roomy;
  return find_from(place_of(granules), granules, align, ~0u);
}

ExtentIndex PageHeap::find_from(Place place, std::uint32_t granules, std::uint32_t align, unsigned looks) const {
  std::uint32_t doublings = doublings_ >> place.doubling << place.doubling;
  std::uint32_t above = place.quarter;
  while (doublings != 0) {
    const auto d = static_cast<unsigned>(std::countr_zero(doublings));
    if (d != place.doubling) above = 0;
    for (std::uint32_t qs = quarters_[d] >> above << above; qs != 0; qs &= qs - 1) {
      const ExtentList& list = lists_[d][std::countr_zero(qs)];
      for (ExtentIndex i = list.front(); i != kNoExtent; i = (*extents_)[i].next) {
        if ((*extents_)[i].granules >= padding(i, align) + granules) return i;
        if (--looks == 0) return kNoExtent;
      }
    }
    doublings &= doublings - 1;
  }
  return kNoExtent;
}

void PageHeap::insert(ExtentIndex first, std::uint32_t granules) {
  Extent& e = (*extents_)[first];
  e.kind.store(ExtentKind::kFree, std::memory_order_relaxed);
  e.granules = granules;
  e.head = first;
  (*extents_)[first + granules - 1].head = first;
  const Place place = place_of(granules);
  lists_[place.doubling][place.quarter].push_front(*extents_, first);
  doublings_ |= 1u << place.doubling;
  quarters_[place.doubling] = static_cast<std::uint8_t>(quarters_[place.doubling] | 1u << place.quarter);
}

void PageHeap::remove(ExtentIndex first) {
  const Place place = place_of((*extents_)[first].granules);
  ExtentList& list = lists_[place.doubling][place.quarter];
  list.remove(*extents_, first);
  (*extents_)[first].kind.store(ExtentKind::kNone, std::memory_order_relaxed);
  if (!list.empty()) return;
  quarters_[place.doubling] = static_cast<std::uint8_t>(quarters_[place.doubling] & ~(1u << place.quarter));
  if (quarters_[place.doubling] == 0) doublings_ &= ~(1u << place.doubling);
}

void PageHeap::check_invariants() const {
  const LockGuard guard(mutex_);
  std::size_t free = 0;
  for (unsigned d = 0; d < kDoublings; ++d) {
    for (unsigned q = 0; q < kQuarters; ++q) {
      FM_CHECK(lists_[d][q].empty() == ((quarters_[d] >> q & 1) == 0));
      for (ExtentIndex i = lists_[d][q].front(); i != kNoExtent; i = (*extents_)[i].next) {
        const Extent& e = (*extents_)[i];
        FM_CHECK(e.kind == ExtentKind::kFree && e.region != 0 && e.head == i);
        FM_CHECK((*extents_)[i + e.granules - 1].head == i);
        const Extent& after = (*extents_)[i + e.granules];
        FM_CHECK(i + e.granules == map_->granules() || after.region != e.region || after.kind != ExtentKind::kFree);
        free += e.granules;
      }
    }
    FM_CHECK((quarters_[d] != 0) == ((doublings_ >> d & 1) != 0));
  }
  FM_CHECK(held_.load(std::memory_order_relaxed) == used_.load(std::memory_order_relaxed) + free);
}

}  // namespace fastmem::core
