// SPDX-License-Identifier: BSD-3-Clause
// core/page_heap.h -- floor 2 (core). One PageHeap per node: its regions, cut into extents of 64 KiB granules.
// What:      free extents in lists by size, four per doubling, found through bitmaps in O(1) (two-level segregated fit,
//            Masmano et al. 2004); neighbours of one region coalesce in O(1) through the descriptors of their ends.
// Invariant: held == used + the sum of free extents; no two free extents of a region touch     -> check_invariants()
// Callers:   Bin for slabs, Heap for regions, reserve and trim.
// Locks:     mutex_ (rank kPageHeap) guards every mutable field and the descriptors of free extents.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "core/arena.h"
#include "core/extent.h"
#include "platform/mutex.h"
#include "platform/types.h"

namespace fastmem::core {

class PageHeap {
 public:
  PageHeap(const PageMap* map, ExtentTable* extents, Bytes limit) : map_(map), extents_(extents), limit_(limit.rep) {}

  // An extent of `granules`, its first one on a multiple of `align` granules (a power of two). kNoExtent: none fits, or
  // the node's limit would be passed.
  ExtentIndex take(std::uint32_t granules, std::uint32_t align) FM_EXCLUDES(mutex_);
  void give(ExtentIndex extent) FM_EXCLUDES(mutex_);

  // A region comes as one free extent. Its granules' descriptors are writable and name the region already.
  void add_region(ExtentIndex first, std::uint32_t granules, Bytes books) FM_EXCLUDES(mutex_);
  // Takes a region's granules out if all of them are free.
  bool remove_region(ExtentIndex first, std::uint32_t granules, Bytes books) FM_EXCLUDES(mutex_);

  // The region's free extents leave the lists, counted as used: nothing is taken from them until bring_back().
  // `slabs`: heads of its slabs, which are their bins' to set aside. in_motion: extents that are neither, yet.
  struct Found {
    unsigned slabs;
    unsigned in_motion;
  };
  Found set_aside(ExtentIndex first, std::uint32_t granules, std::span<ExtentIndex> slabs) FM_EXCLUDES(mutex_);
  void bring_back(ExtentIndex first, std::uint32_t granules) FM_EXCLUDES(mutex_);

  // Bytes that the node may still take from its backing.
  Bytes room_to_grow() const FM_EXCLUDES(mutex_);
  void set_limit(Bytes limit) FM_EXCLUDES(mutex_);
  Bytes limit() const { return Bytes{limit_.load(std::memory_order_relaxed)}; }
  void count_books(std::ptrdiff_t bytes) {
    books_.fetch_add(static_cast<std::size_t>(bytes), std::memory_order_relaxed);
  }

  Bytes held() const { return Bytes{held_.load(std::memory_order_relaxed) * kGranule}; }
  Bytes used() const { return Bytes{used_.load(std::memory_order_relaxed) * kGranule}; }
  Bytes books() const { return Bytes{books_.load(std::memory_order_relaxed)}; }
  unsigned regions() const { return regions_.load(std::memory_order_relaxed); }

  void check_invariants() const FM_EXCLUDES(mutex_);
  Mutex& mutex() { return mutex_; }

 private:
  static constexpr unsigned kQuarters = 4;
  static constexpr unsigned kDoublings = 32;

  struct Place {
    unsigned doubling;
    unsigned quarter;
  };
  static Place place_of(std::uint32_t granules);
  ExtentIndex find(std::uint32_t granules, std::uint32_t align) const FM_REQUIRES(mutex_);
  ExtentIndex find_from(Place place, std::uint32_t granules, std::uint32_t align, unsigned looks) const
      FM_REQUIRES(mutex_);
  void insert(ExtentIndex first, std::uint32_t granules) FM_REQUIRES(mutex_);
  void give_locked(ExtentIndex extent) FM_REQUIRES(mutex_);
  void remove(ExtentIndex first) FM_REQUIRES(mutex_);
  bool is_free(ExtentIndex i) const { return (*extents_)[i].kind.load(std::memory_order_relaxed) == ExtentKind::kFree; }
  bool in_region(ExtentIndex i, std::uint16_t region) const {
    return (*extents_)[i].region.load(std::memory_order_relaxed) == region;
  }
  bool within_limit(std::uint32_t granules) const FM_REQUIRES(mutex_);

  mutable Mutex mutex_{LockRank::kPageHeap};
  const PageMap* map_;
  ExtentTable* extents_;
  std::uint32_t doublings_ FM_GUARDED_BY(mutex_) = 0;             // bit d: some list of doubling d holds an extent
  std::uint8_t quarters_[kDoublings] FM_GUARDED_BY(mutex_) = {};  // bit q: list [d][q] does
  ExtentList lists_[kDoublings][kQuarters] FM_GUARDED_BY(mutex_);
  std::size_t floor_ FM_GUARDED_BY(mutex_) = 0;  // bytes held when the limit was set, and since: not taken away

  // Written under mutex_; relaxed: readers tolerate stale.
  std::atomic<std::size_t> limit_;
  std::atomic<std::size_t> held_{0};   // granules in regions
  std::atomic<std::size_t> used_{0};   // granules in extents handed out
  std::atomic<std::size_t> books_{0};  // bytes of metadata that this node's memory needs
  std::atomic<unsigned> regions_{0};
};

static_assert(Shareable<PageHeap>);

}  // namespace fastmem::core
