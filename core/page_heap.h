// SPDX-License-Identifier: BSD-3-Clause
// core/page_heap.h -- floor 2 (core). One PageHeap per node: its regions, cut into extents of 64 KiB granules.
// What:      take, split, give and coalesce in O(1), through the descriptors of an extent's two ends. An extent is free,
//            absent (free, its pages went back to the system) or somebody's: a slab, or a large object.
// Invariant: held == used + the sum of free extents and the warm one; no two free extents of a region touch, nor two
//            absent ones -> check()
// Callers:   Bin for slabs; Heap for large objects, regions, and pages that come and go.
// Locks:     mutex_ (rank kPageHeap) guards every mutable field and the descriptors of free and absent extents.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>

#include "core/arena.h"
#include "core/free_extents.h"
#include "core/page_map.h"
#include "core/watermarks.h"
#include "platform/mutex.h"
#include "platform/types.h"

namespace fastmem::core {

class CheckWalk;

// Of a counter whose writers hold a lock: cheaper than an atomic addition.
template <class T>
void add_locked(std::atomic<T>& counter, T more) {
  counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

// What all nodes of a heap may use together. relaxed: what is handed out is held to the limit by one addition.
struct Account {
  std::atomic<std::size_t> limit{kUnlimited.rep};
  std::atomic<std::size_t> used{0};  // bytes handed out by every PageHeap of the heap
  bool of_one_node = false;          // then its PageHeap's lock guards `used`

  bool has_room_for(std::size_t bytes) const {
    const std::size_t most = limit.load(std::memory_order_relaxed);
    return used.load(std::memory_order_relaxed) <= most - std::min(most, bytes) && bytes <= most;
  }
  bool take(std::size_t bytes) {
    const std::size_t now = add(bytes);
    if (now <= limit.load(std::memory_order_relaxed)) return true;
    give(bytes);
    return false;
  }
  void give(std::size_t bytes) { add(std::size_t{0} - bytes); }
  std::size_t add(std::size_t bytes) {
    if (!of_one_node) return used.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    add_locked(used, bytes);
    return used.load(std::memory_order_relaxed);
  }

  // A watermark of some node wants an answer. Set under that node's page heap lock; Heap::attend_slow() has the rest.
  enum Attention : std::uint32_t { kQuiet, kWanted, kCalled };
  std::atomic<std::uint32_t> attention{kQuiet};  // relaxed: a hint; what is to be seen is under the page heap's lock
  void want_attention() {
    if (attention.load(std::memory_order_relaxed) == kQuiet) attention.store(kWanted, std::memory_order_relaxed);
  }
};

// Large objects. Written under the PageHeap's lock; relaxed: readers tolerate stale.
struct LargeCounts {
  std::atomic<std::uint64_t> allocs{0};
  std::atomic<std::uint64_t> frees{0};
  std::atomic<std::size_t> objects{0};  // in use, as are these
  std::atomic<std::size_t> granules{0};
};

struct PageHeapCounts {
  Bytes used;
  Bytes free;
  Bytes largest_free;
  Bytes absent;
  std::size_t free_extents = 0;
};

class PageHeap {
 public:
  PageHeap(const PageMap* map, ExtentTable* extents, Account* account, Bytes limit)
      : map_(map),
        extents_(extents),
        account_(account),
        free_(first_granule(*map)),
        absent_(first_granule(*map)),
        limit_(limit.rep) {}

  // ---- extents ----

  // Of `granules`, the first one on a multiple of `align` granules (a power of two) of address space. How many of its
  // last granules read 0 is in `clean`. kNoExtent: none fits, or a limit would be passed.
  ExtentIndex take(std::uint32_t granules, std::uint32_t align) FM_EXCLUDES(mutex_);
  void give(ExtentIndex extent) FM_EXCLUDES(mutex_);

  // The same of a large object: it is marked, and counted. give_large() is false for an extent that is none, or not of
  // that region. `aside`: what it was lies in memory that nothing is taken from.
  ExtentIndex take_large(std::uint32_t granules, std::uint32_t align) FM_EXCLUDES(mutex_);
  bool give_large(ExtentIndex extent, std::uint16_t region, bool aside = false) FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    return give_large_locked(extent, region, aside);
  }
  // The same unless the region is set aside: then nothing happens. `is_aside` is asked where set_aside() is not halfway.
  enum class Given : std::uint8_t { kNo, kYes, kAside };
  template <class IsAside>
  Given give_large_unless(ExtentIndex extent, std::uint16_t region, IsAside is_aside) FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    if (is_aside()) return Given::kAside;
    return give_large_locked(extent, region, false) ? Given::kYes : Given::kNo;
  }
  // As if it had not been taken: it is as clean as it was, and not counted.
  void untake_large(ExtentIndex extent) FM_EXCLUDES(mutex_);

  // A large object, in place: false when what follows is not free, or a limit would be passed.
  bool extend(ExtentIndex extent, std::uint32_t granules) FM_EXCLUDES(mutex_);
  void shrink(ExtentIndex extent, std::uint32_t granules) FM_EXCLUDES(mutex_) {
    shrink(extent, granules, [] { return false; });
  }
  // Unless its region is set aside, as above.
  template <class IsAside>
  void shrink(ExtentIndex extent, std::uint32_t granules, IsAside is_aside) FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    if (!is_aside()) shrink_locked(extent, granules);
  }

  // For who must see an extent to know whether some part of it will do: a whole free one of at least so many granules,
  // of which keep() gives back all but a part, or give_whole() all. Only what is kept counts against the total limit.
  ExtentIndex take_whole(std::uint32_t granules) FM_EXCLUDES(mutex_);
  void give_whole(ExtentIndex whole) FM_EXCLUDES(mutex_);
  // The part's first granule is the extent from now on, and a large object. kNoExtent: the total limit would be passed.
  ExtentIndex keep(ExtentIndex whole, std::uint32_t before, std::uint32_t granules) FM_EXCLUDES(mutex_);

  // ---- regions ----

  // A region comes as one free extent. Its granules' descriptors are writable and name the region already. `clean`: it
  // reads 0.
  void add_region(ExtentIndex first, std::uint32_t granules, Bytes books, bool clean) FM_EXCLUDES(mutex_);
  // Takes a region's granules out if nobody has any of them and so much stays held. Returns the bytes that were present.
  bool remove_region(ExtentIndex first, std::uint32_t granules, Bytes books, Bytes keep = {}) FM_EXCLUDES(mutex_);

  // ---- pages that come and go inside of regions ----

  // A free extent to take the pages from: at most `most` granules, whole units as unit_of(region) says (0: not of this
  // region). It is nobody's, and not held any more, until lay_absent() or lay_free().
  template <class UnitOf>
  ExtentIndex lift_free(std::uint32_t most, UnitOf unit_of) FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    cool();
    std::uint32_t unit = 0;
    // The lambda is called with the lock held.
    const ExtentIndex found = free_.find_large(*extents_, [&](ExtentIndex i) FM_NO_THREAD_SAFETY_ANALYSIS {
      unit = unit_of((*extents_)[i].region.load(std::memory_order_relaxed));
      return unit != 0 && unit <= most && padding(i, unit) + std::size_t{unit} <= (*extents_)[i].granules;
    });
    if (found == kNoExtent) return kNoExtent;
    const std::uint32_t before = free_.padding(found, unit);
    return lift_locked(ExtentKind::kFree, found, before,
                       std::min(most, (*extents_)[found].granules - before) / unit * unit);
  }
  // An absent extent to bring pages to: at least `least` granules in one run beginning on a multiple of `align`, at most
  // `most` unless one needs more. Nobody's until lay_absent() or lay_free().
  template <class UnitOf>
  ExtentIndex lift_absent(std::uint32_t least, std::uint32_t align, std::uint32_t most, UnitOf unit_of)
      FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    const ExtentIndex found = absent_.find(*extents_, least, align);
    if (found == kNoExtent) return kNoExtent;
    const std::uint32_t unit = unit_of((*extents_)[found].region.load(std::memory_order_relaxed));
    const std::uint32_t before = absent_.padding(found, align) / unit * unit;
    const std::uint32_t least_from_there = absent_.padding(found, align) - before + least;
    const auto wanted =
        static_cast<std::uint32_t>((std::max(least_from_there, most) + std::size_t{unit} - 1) / unit * unit);
    return lift_locked(ExtentKind::kAbsent, found, before, std::min(wanted, (*extents_)[found].granules - before));
  }
  // Any absent extent of the region; kNoExtent: it has none.
  ExtentIndex lift_absent_of(std::uint16_t region) FM_EXCLUDES(mutex_);
  void lay_absent(ExtentIndex extent) FM_EXCLUDES(mutex_);
  void lay_free(ExtentIndex extent, bool clean) FM_EXCLUDES(mutex_);

  // ---- memory that is detached ----

  // The region's free extents leave the lists, counted as used: nothing is taken from them until resume(). `slabs`: heads
  // of its slabs, which are their bins' to set aside. in_motion: extents that are neither, yet.
  struct Found {
    unsigned slabs;
    unsigned in_motion;
  };
  Found set_aside(ExtentIndex first, std::uint32_t granules, std::span<ExtentIndex> slabs) FM_EXCLUDES(mutex_);
  void resume(ExtentIndex first, std::uint32_t granules) FM_EXCLUDES(mutex_);
  // A slab's extent, of a region that is set aside, where it stays.
  void give_aside(ExtentIndex extent) FM_EXCLUDES(mutex_);

  // ---- limits and counts ----

  // Bytes that the node may still take from its backing.
  Bytes room_to_grow() const FM_EXCLUDES(mutex_);
  void set_limit(Bytes limit) FM_EXCLUDES(mutex_);
  Bytes limit() const { return Bytes{limit_.load(std::memory_order_relaxed)}; }
  void count_books(std::ptrdiff_t bytes) {
    books_.fetch_add(static_cast<std::size_t>(bytes), std::memory_order_relaxed);
  }

  Bytes held() const { return Bytes{held_.load(std::memory_order_relaxed) * kGranule}; }
  Bytes used() const { return Bytes{used_.load(std::memory_order_relaxed) * kGranule}; }
  Bytes absent() const { return Bytes{away_.load(std::memory_order_relaxed) * kGranule}; }
  Bytes books() const { return Bytes{books_.load(std::memory_order_relaxed)}; }
  unsigned regions() const { return regions_.load(std::memory_order_relaxed); }
  PageHeapCounts counts() FM_EXCLUDES(mutex_);
  // Granules of the largest extent that could be taken now, its first one on a multiple of `align`.
  std::uint32_t largest(std::uint32_t align) FM_EXCLUDES(mutex_);

  // ---- watermarks, and what is idle: core/watermarks.h in bytes ----

  Bytes free() const FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    return Bytes{free_granules() * kGranule};
  }
  void set_watermarks(Bytes low, Bytes high) FM_EXCLUDES(mutex_);
  void ask_for_growth_below(Bytes free) FM_EXCLUDES(mutex_);
  Watermarks watermarks() const FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    return marks_;
  }
  Watermarks::Seen take_crossings() FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    return marks_.take(free_granules());
  }
  // The least bytes that were free since begin_idle_period().
  Bytes least_free() const FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    return Bytes{std::min(marks_.least(), free_granules()) * kGranule};
  }
  void begin_idle_period() FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    marks_.forget_least(free_granules());
  }
  const LargeCounts& large() const { return large_; }
  void reset_large() FM_EXCLUDES(mutex_);  // but for what is in use

  // core/page_heap_check.cc
  bool is_as_made(const PageMap* map, const ExtentTable* extents, const Account* account) const {
    return map_ == map && extents_ == extents && account_ == account;
  }
  void check(CheckWalk& walk) const FM_EXCLUDES(mutex_);
  Mutex& mutex() { return mutex_; }

 private:
  static std::size_t first_granule(const PageMap& map) {
    return reinterpret_cast<std::uintptr_t>(map.address_of(0)) / kGranule;
  }
  std::uint32_t padding(ExtentIndex i, std::uint32_t align) const {
    return FreeExtents::padding_at(first_granule(*map_) + i, align);
  }
  FreeExtents& lists_of(ExtentKind kind) FM_REQUIRES(mutex_) { return kind == ExtentKind::kFree ? free_ : absent_; }
  void claim(ExtentIndex first, std::uint32_t granules, std::uint32_t clean) FM_REQUIRES(mutex_);
  ExtentIndex take_warm(std::uint32_t granules) FM_REQUIRES(mutex_);
  ExtentIndex take_locked(std::uint32_t granules, std::uint32_t align) FM_REQUIRES(mutex_);
  void mark_large(ExtentIndex extent) FM_REQUIRES(mutex_);
  bool give_large_locked(ExtentIndex extent, std::uint16_t region, bool aside) FM_REQUIRES(mutex_);
  void shrink_locked(ExtentIndex extent, std::uint32_t granules) FM_REQUIRES(mutex_);
  void cool() FM_REQUIRES(mutex_);
  ExtentIndex carve(ExtentKind kind, ExtentIndex whole, std::uint32_t before, std::uint32_t granules)
      FM_REQUIRES(mutex_);
  ExtentIndex split(ExtentKind kind, ExtentIndex whole, std::uint32_t before, std::uint32_t granules, bool alone)
      FM_REQUIRES(mutex_);
  ExtentIndex lift_locked(ExtentKind kind, ExtentIndex found, std::uint32_t before, std::uint32_t granules)
      FM_REQUIRES(mutex_);
  void lay(ExtentKind kind, ExtentIndex first, std::uint32_t granules, std::uint32_t clean) FM_REQUIRES(mutex_);
  void list(ExtentKind kind, ExtentIndex first, std::uint32_t granules, std::uint32_t clean) FM_REQUIRES(mutex_);
  void unlist(ExtentIndex first) FM_REQUIRES(mutex_);
  void count_taken(std::uint32_t granules) FM_REQUIRES(mutex_) { add_locked(used_, std::size_t{granules}); }
  void count_given(std::uint32_t granules) FM_REQUIRES(mutex_);
  void count_back(std::uint32_t granules) FM_REQUIRES(mutex_);
  bool is(ExtentKind kind, ExtentIndex i) const { return (*extents_)[i].kind.load(std::memory_order_relaxed) == kind; }
  bool in_region(ExtentIndex i, std::uint16_t region) const {
    return (*extents_)[i].region.load(std::memory_order_relaxed) == region;
  }
  std::size_t free_granules() const FM_REQUIRES(mutex_) {
    return held_.load(std::memory_order_relaxed) - used_.load(std::memory_order_relaxed);
  }
  // Not when memory comes: who grows the node for an object takes it at once.
  void look_at_marks() FM_REQUIRES(mutex_) {
    if (marks_.look(free_granules())) account_->want_attention();
  }
  std::size_t check_warm(CheckWalk& walk) const FM_REQUIRES(mutex_);
  std::size_t check_list(CheckWalk& walk, const FreeExtents& lists, ExtentKind kind) const FM_REQUIRES(mutex_);
  bool charge(std::uint32_t granules) FM_REQUIRES(mutex_);
  bool within_limit(std::uint32_t granules) const FM_REQUIRES(mutex_);

  mutable Mutex mutex_{LockRank::kPageHeap};
  const PageMap* map_;
  ExtentTable* extents_;
  Account* account_;
  FreeExtents free_ FM_GUARDED_BY(mutex_);
  FreeExtents absent_ FM_GUARDED_BY(mutex_);
  // The large object that was given back last: who wants as much next has it, without a search and without cutting and
  // joining. In no list; whoever must see all that is free cools it first.
  ExtentIndex warm_ FM_GUARDED_BY(mutex_) = kNoExtent;
  Watermarks marks_ FM_GUARDED_BY(mutex_);
  std::size_t not_taken_away_ FM_GUARDED_BY(mutex_) = 0;  // bytes held when the limit was set, and since

  // Written under mutex_; relaxed: readers tolerate stale.
  std::atomic<std::size_t> limit_;
  std::atomic<std::size_t> held_{0};   // granules with pages
  std::atomic<std::size_t> used_{0};   // granules in extents handed out
  std::atomic<std::size_t> away_{0};   // granules in absent extents
  std::atomic<std::size_t> books_{0};  // bytes of metadata that this node's memory needs
  std::atomic<unsigned> regions_{0};
  LargeCounts large_;
};

static_assert(Shareable<PageHeap>);

}  // namespace fastmem::core
