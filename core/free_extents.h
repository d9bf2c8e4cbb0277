// SPDX-License-Identifier: BSD-3-Clause
// core/free_extents.h -- floor 2 (core). Free extents by size, found in O(1).
// What:      lists by size, 32 per doubling, and bitmaps that say which hold something (two-level segregated fit, Masmano
//            et al. 2004). Up to 2 MiB each size has a list of its own; above, what a list holds differs by 3 % at most.
// Callers:   PageHeap, under its lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/extent.h"

namespace fastmem::core {

class FreeExtents {
 public:
  // `first` names the granule at address 0, so to say: alignments are those of addresses.
  explicit FreeExtents(std::size_t first) : first_(first) {}

  void insert(ExtentTable& table, ExtentIndex i);
  void remove(ExtentTable& table, ExtentIndex i);

  // One that holds `granules` beginning on a multiple of `align` granules (a power of two); kNoExtent: none does.
  ExtentIndex find(const ExtentTable& table, std::uint32_t granules, std::uint32_t align) const;
  // kNoExtent: there is none.
  ExtentIndex largest(const ExtentTable& table) const;
  // The first for which `fits(extent)`, from the largest down; gives up after a while.
  template <class Fits>
  ExtentIndex find_large(const ExtentTable& table, Fits fits) const {
    unsigned looks = kMostLooks;
    for (unsigned d = kDoublings; d-- != 0;) {
      if ((doublings_ >> d & 1) == 0) continue;
      for (unsigned p = kPerDoubling; p-- != 0;) {
        for (ExtentIndex i = lists_[d][p].front(); i != kNoExtent; i = table[i].next) {
          if (fits(i)) return i;
          if (--looks == 0) return kNoExtent;
        }
      }
    }
    return kNoExtent;
  }

  // Granules from an extent's first to the next aligned one.
  std::uint32_t padding(ExtentIndex i, std::uint32_t align) const {
    return static_cast<std::uint32_t>(round_up(first_ + i, align) - (first_ + i));
  }

  template <class Visit>
  void each(const ExtentTable& table, Visit visit) const {
    for (const auto& row : lists_) {
      for (const ExtentList& list : row) {
        for (ExtentIndex i = list.front(); i != kNoExtent; i = table[i].next) visit(i);
      }
    }
  }
  std::size_t count() const { return count_; }
  bool bitmaps_are_right() const;

 private:
  static constexpr unsigned kDoublings = 32;
  static constexpr unsigned kPerDoubling = 32;
  static constexpr unsigned kMostLooks = 4096;

  struct Place {
    unsigned doubling;
    unsigned part;
  };
  static Place place_of(std::size_t granules);
  ExtentIndex find_from(const ExtentTable& table, Place place, std::uint32_t granules, std::uint32_t align,
                        unsigned looks) const;

  std::size_t first_;
  std::size_t count_ = 0;
  std::uint32_t doublings_ = 0;           // bit d: some list of doubling d holds an extent
  std::uint32_t parts_[kDoublings] = {};  // bit p: list [d][p] does
  ExtentList lists_[kDoublings][kPerDoubling];
};

static_assert(Shareable<FreeExtents>);

}  // namespace fastmem::core
