// SPDX-License-Identifier: BSD-3-Clause
#include "core/page_heap.h"

#include <algorithm>
#include <utility>

namespace fastmem::core {

// ---- what others take and give -------------------------------------------------------------------------------------

ExtentIndex PageHeap::take(std::uint32_t granules, std::uint32_t align) {
  const LockGuard guard(mutex_);
  return take_locked(granules, align);
}

ExtentIndex PageHeap::take_large(std::uint32_t granules, std::uint32_t align) {
  const LockGuard guard(mutex_);
  const bool again = warm_ != kNoExtent && (*extents_)[warm_].granules == granules && free_.padding(warm_, align) == 0;
  const ExtentIndex taken = again ? take_warm(granules) : take_locked(granules, align);
  if (taken != kNoExtent) mark_large(taken);
  return taken;
}

ExtentIndex PageHeap::take_warm(std::uint32_t granules) {
  if (!charge(granules)) return kNoExtent;
  look_at_marks();
  return std::exchange(warm_, kNoExtent);
}

ExtentIndex PageHeap::take_locked(std::uint32_t granules, std::uint32_t align) {
  ExtentIndex found = free_.find(*extents_, granules, align);
  if (found == kNoExtent && warm_ != kNoExtent) {
    cool();
    found = free_.find(*extents_, granules, align);
  }
  if (found == kNoExtent || !charge(granules)) return kNoExtent;
  look_at_marks();
  return carve(ExtentKind::kFree, found, free_.padding(found, align), granules);
}

ExtentIndex PageHeap::take_whole(std::uint32_t granules) {
  const LockGuard guard(mutex_);
  cool();
  const ExtentIndex found = free_.find(*extents_, granules, 1);
  if (found == kNoExtent || !within_limit(granules)) return kNoExtent;
  if (!account_->has_room_for(std::size_t{granules} * kGranule)) return kNoExtent;
  const std::uint32_t all = (*extents_)[found].granules;
  count_taken(all);
  return carve(ExtentKind::kFree, found, 0, all);
}

ExtentIndex PageHeap::keep(ExtentIndex whole, std::uint32_t before, std::uint32_t granules) {
  const LockGuard guard(mutex_);
  if (!account_->take(std::size_t{granules} * kGranule)) return kNoExtent;
  count_back((*extents_)[whole].granules - granules);
  const ExtentIndex part = split(ExtentKind::kFree, whole, before, granules, false);
  mark_large(part);
  return part;
}

void PageHeap::give_whole(ExtentIndex whole) {
  const LockGuard guard(mutex_);
  const Extent& e = (*extents_)[whole];
  count_back(e.granules);
  lay(ExtentKind::kFree, whole, e.granules, e.clean);
}

void PageHeap::give(ExtentIndex extent) {
  const LockGuard guard(mutex_);
  const std::uint32_t granules = (*extents_)[extent].granules;
  count_given(granules);
  lay(ExtentKind::kFree, extent, granules, 0);
}

bool PageHeap::give_large_locked(ExtentIndex extent, std::uint16_t region, bool aside) {
  if (!in_region(extent, region) || !is(ExtentKind::kLarge, extent)) return false;
  Extent& e = (*extents_)[extent];
  const std::uint32_t granules = e.granules;
  e.kind.store(ExtentKind::kNone, std::memory_order_relaxed);
  add_locked(large_.frees, std::uint64_t{1});
  add_locked(large_.objects, ~std::size_t{0});
  add_locked(large_.granules, std::size_t{0} - granules);
  if (aside) {
    e.clean = 0;
    e.kind.store(ExtentKind::kAside, std::memory_order_relaxed);
    return true;
  }
  count_given(granules);
  cool();
  e.clean = 0;
  warm_ = extent;
  return true;
}

void PageHeap::untake_large(ExtentIndex extent) {
  const LockGuard guard(mutex_);
  Extent& e = (*extents_)[extent];
  const std::uint32_t granules = e.granules;
  e.kind.store(ExtentKind::kNone, std::memory_order_relaxed);
  add_locked(large_.allocs, ~std::uint64_t{0});
  add_locked(large_.objects, ~std::size_t{0});
  add_locked(large_.granules, std::size_t{0} - granules);
  count_given(granules);
  lay(ExtentKind::kFree, extent, granules, e.clean);
}

// The large object that was given back last is among the free extents, joined with its neighbours.
void PageHeap::cool() {
  if (warm_ == kNoExtent) return;
  const ExtentIndex extent = std::exchange(warm_, kNoExtent);
  lay(ExtentKind::kFree, extent, (*extents_)[extent].granules, 0);
}

void PageHeap::mark_large(ExtentIndex extent) {
  Extent& e = (*extents_)[extent];
  add_locked(large_.allocs, std::uint64_t{1});
  add_locked(large_.objects, std::size_t{1});
  add_locked(large_.granules, std::size_t{e.granules});
  e.kind.store(ExtentKind::kLarge, std::memory_order_release);
}

bool PageHeap::extend(ExtentIndex extent, std::uint32_t granules) {
  const LockGuard guard(mutex_);
  cool();
  Extent& e = (*extents_)[extent];
  const std::uint32_t more = granules - e.granules;
  const ExtentIndex after = extent + e.granules;
  const bool fits = after < map_->granules() && in_region(after, e.region.load(std::memory_order_relaxed)) &&
                    is(ExtentKind::kFree, after) && (*extents_)[after].granules >= more;
  if (!fits || !charge(more)) return false;
  look_at_marks();
  carve(ExtentKind::kFree, after, 0, more);
  claim(extent, granules, 0);
  add_locked(large_.granules, std::size_t{more});
  return true;
}

void PageHeap::shrink_locked(ExtentIndex extent, std::uint32_t granules) {
  const std::uint32_t less = (*extents_)[extent].granules - granules;
  claim(extent, granules, 0);
  lay(ExtentKind::kFree, extent + granules, less, 0);
  count_given(less);
  add_locked(large_.granules, std::size_t{0} - less);
}

// ---- regions -------------------------------------------------------------------------------------------------------

void PageHeap::add_region(ExtentIndex first, std::uint32_t granules, Bytes books, bool clean) {
  const LockGuard guard(mutex_);
  list(ExtentKind::kFree, first, granules, clean ? granules : 0);
  held_.fetch_add(granules, std::memory_order_relaxed);
  books_.fetch_add(books.rep, std::memory_order_relaxed);
  regions_.fetch_add(1, std::memory_order_relaxed);
}

bool PageHeap::remove_region(ExtentIndex first, std::uint32_t granules, Bytes books, Bytes keep) {
  const LockGuard guard(mutex_);
  cool();
  const ExtentIndex end = first + granules;
  std::uint32_t present = 0;
  std::uint32_t aside = 0;  // of these: counted as used
  for (ExtentIndex i = first; i < end; i += (*extents_)[i].granules) {
    const bool is_aside = is(ExtentKind::kAside, i);
    if (is_aside) aside += (*extents_)[i].granules;
    if (is_aside || is(ExtentKind::kFree, i))
      present += (*extents_)[i].granules;
    else if (!is(ExtentKind::kAbsent, i))
      return false;
  }
  const std::size_t held = held_.load(std::memory_order_relaxed);
  if (present != 0 && (held - present) * kGranule < keep.rep) return false;
  for (ExtentIndex i = first; i < end; i += (*extents_)[i].granules) {
    if (is(ExtentKind::kAside, i))
      (*extents_)[i].kind.store(ExtentKind::kNone, std::memory_order_relaxed);
    else
      unlist(i);
  }
  add_locked(used_, std::size_t{0} - aside);
  account_->give(std::size_t{aside} * kGranule);
  held_.fetch_sub(present, std::memory_order_relaxed);
  away_.fetch_sub(granules - present, std::memory_order_relaxed);
  books_.fetch_sub(books.rep, std::memory_order_relaxed);
  regions_.fetch_sub(1, std::memory_order_relaxed);
  not_taken_away_ = std::min(not_taken_away_, (held - present) * kGranule);
  look_at_marks();
  return true;
}

// ---- pages that come and go ----------------------------------------------------------------------------------------

ExtentIndex PageHeap::lift_locked(ExtentKind kind, ExtentIndex found, std::uint32_t before, std::uint32_t granules) {
  const ExtentIndex lifted = carve(kind, found, before, granules);
  (kind == ExtentKind::kFree ? held_ : away_).fetch_sub(granules, std::memory_order_relaxed);
  return lifted;
}

ExtentIndex PageHeap::lift_absent_of(std::uint16_t region) {
  const LockGuard guard(mutex_);
  ExtentIndex found = kNoExtent;
  absent_.each(*extents_, [&](ExtentIndex i) {
    if (in_region(i, region)) found = i;
  });
  return found == kNoExtent ? found : lift_locked(ExtentKind::kAbsent, found, 0, (*extents_)[found].granules);
}

void PageHeap::lay_absent(ExtentIndex extent) {
  const LockGuard guard(mutex_);
  const std::uint32_t granules = (*extents_)[extent].granules;
  away_.fetch_add(granules, std::memory_order_relaxed);
  not_taken_away_ = std::min(not_taken_away_, held_.load(std::memory_order_relaxed) * kGranule);
  look_at_marks();
  lay(ExtentKind::kAbsent, extent, granules, 0);
}

void PageHeap::lay_free(ExtentIndex extent, bool clean) {
  const LockGuard guard(mutex_);
  const std::uint32_t granules = (*extents_)[extent].granules;
  held_.fetch_add(granules, std::memory_order_relaxed);
  lay(ExtentKind::kFree, extent, granules, clean ? granules : 0);
}

// ---- memory that is detached -----------------------------------------------------------------------------------------

PageHeap::Found PageHeap::set_aside(ExtentIndex first, std::uint32_t granules, std::span<ExtentIndex> slabs) {
  const LockGuard guard(mutex_);
  cool();
  Found found{0, 0};
  for (ExtentIndex i = first; i < first + granules; i += (*extents_)[i].granules) {
    Extent& e = (*extents_)[i];
    switch (e.kind.load(std::memory_order_relaxed)) {
      case ExtentKind::kFree:
        unlist(i);
        e.kind.store(ExtentKind::kAside, std::memory_order_relaxed);
        count_taken(e.granules);
        account_->add(e.granules * kGranule);
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

void PageHeap::give_aside(ExtentIndex extent) {
  const LockGuard guard(mutex_);
  claim(extent, (*extents_)[extent].granules, 0);
  (*extents_)[extent].kind.store(ExtentKind::kAside, std::memory_order_relaxed);
}

void PageHeap::resume(ExtentIndex first, std::uint32_t granules) {
  const LockGuard guard(mutex_);
  for (ExtentIndex i = first; i < first + granules;) {
    const std::uint32_t length = (*extents_)[i].granules;
    if (is(ExtentKind::kAside, i)) {
      count_given(length);
      lay(ExtentKind::kFree, i, length, (*extents_)[i].clean);
    }
    i += length;
  }
}

// ---- descriptors ---------------------------------------------------------------------------------------------------

// The extent is somebody's.
void PageHeap::claim(ExtentIndex first, std::uint32_t granules, std::uint32_t clean) {
  Extent& e = (*extents_)[first];
  e.granules = granules;
  e.clean = clean;
  e.head = first;
  (*extents_)[first + granules - 1].head = first;
}

// Takes a part out of a listed extent.
ExtentIndex PageHeap::carve(ExtentKind kind, ExtentIndex whole, std::uint32_t before, std::uint32_t granules) {
  unlist(whole);
  return split(kind, whole, before, granules, true);
}

// Claims a part; what is before and behind it is listed. `alone`: it has no neighbours of its kind, as what was listed.
ExtentIndex PageHeap::split(ExtentKind kind, ExtentIndex whole, std::uint32_t before, std::uint32_t granules,
                            bool alone) {
  const std::uint32_t length = (*extents_)[whole].granules;
  const std::uint32_t clean = (*extents_)[whole].clean;
  const std::uint32_t soiled = length - clean;  // granules before the clean ones
  const std::uint32_t end = before + granules;
  const auto clean_until = [soiled](std::uint32_t until) { return until > soiled ? until - soiled : 0; };
  claim(whole + before, granules, std::min(granules, clean_until(end)));  // first: the others look at its ends
  const auto put = alone ? &PageHeap::list : &PageHeap::lay;
  if (before != 0) (this->*put)(kind, whole, before, clean_until(before));
  if (end != length) (this->*put)(kind, whole + end, length - end, std::min(clean, length - end));
  return whole + before;
}

// Lists an extent, joined with its neighbours of the same kind and region.
void PageHeap::lay(ExtentKind kind, ExtentIndex first, std::uint32_t granules, std::uint32_t clean) {
  const std::uint16_t region = (*extents_)[first].region.load(std::memory_order_relaxed);
  const ExtentIndex after = first + granules;
  if (after < map_->granules() && in_region(after, region) && is(kind, after)) {
    const Extent& e = (*extents_)[after];
    clean = e.clean == e.granules ? e.granules + clean : e.clean;
    granules += e.granules;
    unlist(after);
  }
  if (first > 0 && in_region(first - 1, region)) {
    const ExtentIndex before = (*extents_)[first - 1].head;  // kept right for both ends of every extent
    if (is(kind, before)) {
      const Extent& e = (*extents_)[before];
      clean = clean == granules ? granules + e.clean : clean;
      granules += e.granules;
      unlist(before);
      first = before;
    }
  }
  list(kind, first, granules, clean);
}

void PageHeap::list(ExtentKind kind, ExtentIndex first, std::uint32_t granules, std::uint32_t clean) {
  claim(first, granules, clean);
  (*extents_)[first].kind.store(kind, std::memory_order_relaxed);
  lists_of(kind).insert(*extents_, first);
}

void PageHeap::unlist(ExtentIndex first) {
  std::atomic<ExtentKind>& kind = (*extents_)[first].kind;
  lists_of(kind.load(std::memory_order_relaxed)).remove(*extents_, first);
  kind.store(ExtentKind::kNone, std::memory_order_relaxed);
}

// ---- limits and counts ---------------------------------------------------------------------------------------------

Bytes PageHeap::room_to_grow() const {
  const LockGuard guard(mutex_);
  const std::size_t limit = limit_.load(std::memory_order_relaxed);
  const std::size_t held = held_.load(std::memory_order_relaxed) * kGranule;
  return Bytes{limit > held ? limit - held : 0};
}

void PageHeap::set_limit(Bytes limit) {
  const LockGuard guard(mutex_);
  limit_.store(limit.rep, std::memory_order_relaxed);
  not_taken_away_ = held_.load(std::memory_order_relaxed) * kGranule;
}

// A limit finer than a region holds for what is handed out of it, the node's books counted.
bool PageHeap::within_limit(std::uint32_t granules) const {
  const std::size_t used = (used_.load(std::memory_order_relaxed) + granules) * kGranule;
  if (used <= not_taken_away_) return true;
  const std::size_t limit = limit_.load(std::memory_order_relaxed);
  return used <= limit && books_.load(std::memory_order_relaxed) <= limit - used;
}

bool PageHeap::charge(std::uint32_t granules) {
  if (!within_limit(granules) || !account_->take(std::size_t{granules} * kGranule)) return false;
  count_taken(granules);
  return true;
}

void PageHeap::count_given(std::uint32_t granules) {
  account_->give(std::size_t{granules} * kGranule);
  count_back(granules);
}

// Of what the account does not know.
void PageHeap::count_back(std::uint32_t granules) {
  add_locked(used_, std::size_t{0} - granules);
  look_at_marks();
}

// ---- watermarks ----------------------------------------------------------------------------------------------------

void PageHeap::set_watermarks(Bytes low, Bytes high) {
  const LockGuard guard(mutex_);
  const std::size_t high_granules = high == kUnlimited ? Watermarks::kNone : high.rep / kGranule;
  if (marks_.set(round_up(low.rep, kGranule) / kGranule, high_granules, free_granules())) account_->want_attention();
}

void PageHeap::ask_for_growth_below(Bytes free) {
  const LockGuard guard(mutex_);
  if (marks_.ask_for_growth_below(free.rep / kGranule, free_granules())) account_->want_attention();
}

void PageHeap::reset_large() {
  const LockGuard guard(mutex_);
  large_.allocs.store(0, std::memory_order_relaxed);
  large_.frees.store(0, std::memory_order_relaxed);
}

PageHeapCounts PageHeap::counts() {
  const LockGuard guard(mutex_);
  cool();
  PageHeapCounts c;
  const ExtentIndex largest = free_.largest(*extents_);
  if (largest != kNoExtent) c.largest_free = Bytes{(*extents_)[largest].granules * kGranule};
  c.free_extents = free_.count();
  c.used = used();
  c.free = Bytes{(held_.load(std::memory_order_relaxed) - used_.load(std::memory_order_relaxed)) * kGranule};
  c.absent = absent();
  return c;
}

std::uint32_t PageHeap::largest(std::uint32_t align) {
  const LockGuard guard(mutex_);
  cool();
  std::uint32_t largest = 0;
  free_.each(*extents_, [&](ExtentIndex i) {
    const std::uint32_t granules = (*extents_)[i].granules;
    largest = std::max(largest, granules - std::min(granules, padding(i, align)));
  });
  return largest;
}

}  // namespace fastmem::core
