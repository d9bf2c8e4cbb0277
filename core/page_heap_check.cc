// SPDX-License-Identifier: BSD-3-Clause
// core/page_heap_check.cc -- floor 2 (core). What must be true of a node's free extents and of its counters.
#include "core/check_walk.h"
#include "core/page_heap.h"

namespace fastmem::core {

template <class Visit>
void FreeExtents::check(CheckWalk& walk, Visit visit) const {
  std::size_t count = 0;
  for (unsigned r = 0; r < kRows; ++r) {
    for (unsigned p = 0; p < kPerRow; ++p) {
      walk.expect(lists_[r][p].empty() == ((parts_[r] >> p & 1) == 0),
                  "a list of free extents is not where one is looked for", &parts_[r]);
      ExtentIndex before = kNoExtent;
      for (ExtentIndex i = lists_[r][p].front(); i != kNoExtent; i = walk.extents[i].next) {
        if (!walk.expect(walk.is_granule(i), "a list of free extents leads out of the heap", &lists_[r][p])) return;
        if (!walk.expect(++count <= count_, "there are more free extents than counted", &count_)) return;
        const Extent& e = walk.extents[i];
        const Place place = place_of(e.granules);
        walk.expect(e.prev == before, "a free extent's link back is wrong", &e);
        walk.expect(e.list == r * kPerRow + p && place.row == r && place.part == p,
                    "a free extent is in the list of another size", &e);
        if (!visit(i)) return;
        before = i;
      }
    }
    walk.expect((parts_[r] != 0) == ((rows_ >> r & 1) != 0), "a list of free extents is not where one is looked for",
                &rows_);
  }
  walk.expect((rows_ >> (kRows - 1) >> 1) == 0, "a list of free extents is not where one is looked for", &rows_);
  walk.expect(count == count_, "there are fewer free extents than counted", &count_);
}

void PageHeap::check(CheckWalk& walk) const {
  if (!walk.lock(mutex_)) return;
  const std::size_t free = check_list(walk, free_, ExtentKind::kFree);
  const std::size_t absent = check_list(walk, absent_, ExtentKind::kAbsent);
  const std::size_t used = used_.load(std::memory_order_relaxed);
  walk.expect(held_.load(std::memory_order_relaxed) == check_warm(walk) + used + free,
              "a node does not hold what is used and free", &held_);
  walk.expect(away_.load(std::memory_order_relaxed) == absent, "a node has not given away as much as it says", &away_);
  walk.sums.free_extents += free_.count();
  walk.sums.absent_extents += absent_.count();
  walk.sums.used += used;
  mutex_.unlock();
}

// Granules.
std::size_t PageHeap::check_warm(CheckWalk& walk) const {
  if (warm_ == kNoExtent) return 0;
  const bool fits = walk.is_granule(warm_) && walk.fits(warm_, walk.extents[warm_].granules);
  if (!walk.expect(fits, "the extent given back last is out of the heap", &warm_)) return 0;
  const Extent& e = walk.extents[warm_];
  walk.expect(is(ExtentKind::kNone, warm_) && e.head == warm_ && walk.extents[warm_ + e.granules - 1].head == warm_,
              "the extent given back last is none", &warm_);
  ++walk.sums.warm_extents;
  ++walk.report().extents;
  return e.granules;
}

std::size_t PageHeap::check_list(CheckWalk& walk, const FreeExtents& lists, ExtentKind kind) const {
  std::size_t granules = 0;
  lists.check(walk, [&](ExtentIndex i) {
    const Extent& e = walk.extents[i];
    const bool is_one = is(kind, i) && e.head == i && walk.fits(i, e.granules) && !in_region(i, 0);
    if (!walk.expect(is_one, "what is listed as free is not", &e)) return false;
    ++walk.report().extents;
    walk.expect(e.clean <= e.granules, "more of an extent is clean than there is", &e.clean);
    walk.expect(walk.extents[i + e.granules - 1].head == i,
                "the last granule of an extent does not lead to its first one", &walk.extents[i + e.granules - 1].head);
    const ExtentIndex end = i + e.granules;
    const bool alone =
        end == walk.map.granules() || !in_region(end, e.region.load(std::memory_order_relaxed)) || !is(kind, end);
    walk.expect(alone, "two free extents touch", &e);
    granules += e.granules;
    return true;
  });
  return granules;
}

}  // namespace fastmem::core
