// SPDX-License-Identifier: BSD-3-Clause
// core/free_extents.h -- floor 2 (core). Free extents by size, found in O(1).
// What:      lists by size, 32 per doubling, and bitmaps that say which hold something (two-level segregated fit, Masmano
//            et al. 2004). Up to 2 MiB each size has a list of its own; above, what a list holds differs by 3 % at most.
// Callers:   PageHeap, under its lock.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "core/extent.h"

namespace fastmem::core {

class CheckWalk;

class FreeExtents {
 public:
  // `first` names the granule at address 0, so to say: alignments are those of addresses.
  explicit FreeExtents(std::size_t first) : first_(first) {}

  void insert(ExtentTable& table, ExtentIndex i) {
    const Place place = place_of(table[i].granules);
    table[i].list = static_cast<std::uint16_t>(place.row * kPerRow + place.part);
    lists_[place.row][place.part].push_front(table, i);
    rows_ |= 1u << place.row;
    parts_[place.row] |= 1u << place.part;
    ++count_;
  }
  void remove(ExtentTable& table, ExtentIndex i) {
    const Place place{table[i].list / kPerRow, table[i].list % kPerRow};
    ExtentList& list = lists_[place.row][place.part];
    list.remove(table, i);
    --count_;
    if (!list.empty()) return;
    parts_[place.row] &= ~(1u << place.part);
    if (parts_[place.row] == 0) rows_ &= ~(1u << place.row);
  }

  // One that holds `granules` beginning on a multiple of `align` granules (a power of two); kNoExtent: none does.
  ExtentIndex find(const ExtentTable& table, std::uint32_t granules, std::uint32_t align) const;
  // kNoExtent: there is none.
  ExtentIndex largest(const ExtentTable& table) const;
  // The first for which `fits(extent)`, from the largest down; gives up after a while.
  template <class Fits>
  ExtentIndex find_large(const ExtentTable& table, Fits fits) const {
    unsigned looks = kMostLooks;
    for (unsigned r = kRows; r-- != 0;) {
      if ((rows_ >> r & 1) == 0) continue;
      for (unsigned p = kPerRow; p-- != 0;) {
        for (ExtentIndex i = lists_[r][p].front(); i != kNoExtent; i = table[i].next) {
          if (fits(i)) return i;
          if (--looks == 0) return kNoExtent;
        }
      }
    }
    return kNoExtent;
  }

  // Granules from an extent's first to the next aligned one.
  std::uint32_t padding(ExtentIndex i, std::uint32_t align) const { return padding_at(first_ + i, align); }
  // The same of a granule of address space.
  static std::uint32_t padding_at(std::size_t granule, std::uint32_t align) {
    return static_cast<std::uint32_t>(round_up(granule, align) - granule);
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
  // What must be true of the lists, and visit(extent) of each until it says false: core/page_heap_check.cc, its only caller.
  template <class Visit>
  void check(CheckWalk& walk, Visit visit) const;

 private:
  static constexpr unsigned kPartBits = 5;
  static constexpr unsigned kPerRow = 1u << kPartBits;
  static constexpr unsigned kRows = 32 - kPartBits + 1;
  static constexpr unsigned kMostLooks = 4096;

  struct Place {
    unsigned row;
    unsigned part;
  };
  // Which list a free extent of this many granules is in: every extent of a later list is larger. The first row has a list
  // for each size, each later one a doubling.
  static Place place_of(std::uint32_t granules) {
    if (granules < kPerRow) return {0, granules};
    const unsigned shift = static_cast<unsigned>(std::bit_width(granules)) - 1 - kPartBits;
    return {shift + 1, (granules >> shift) % kPerRow};
  }
  ExtentIndex find_from(const ExtentTable& table, Place place, std::uint32_t granules, std::uint32_t align,
                        unsigned looks) const;

  std::size_t first_;
  std::size_t count_ = 0;
  std::uint32_t rows_ = 0;           // bit r: some list of row r holds an extent
  std::uint32_t parts_[kRows] = {};  // bit p: list [r][p] does
  ExtentList lists_[kRows][kPerRow];
};

static_assert(Shareable<FreeExtents>);

}  // namespace fastmem::core
