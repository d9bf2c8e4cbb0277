// SPDX-License-Identifier: BSD-3-Clause
#include "core/free_extents.h"

#include <algorithm>
#include <bit>

namespace fastmem::core {
namespace {

// Of so many that hold it, the smallest ones about, the lowest in address is taken. Best fit leaves crumbs all over the
// window; first fit by address packs its beginning and keeps its end in one piece; four are enough for that.
constexpr unsigned kChoice = 4;
constexpr unsigned kLooks = 16;  // extents tried for a lucky alignment before one is taken that holds any

}  // namespace

// The lowest of a few among the smallest that may hold it, with a lucky alignment; then any that holds it however it is aligned;
// last, before memory is called short, every one.
ExtentIndex FreeExtents::find(const ExtentTable& table, std::uint32_t granules, std::uint32_t align) const {
  const ExtentIndex lucky = find_from(table, place_of(granules), granules, align, kLooks);
  if (lucky != kNoExtent) return lucky;
  const std::size_t room = std::min(std::size_t{granules} + align - 1, std::size_t{~std::uint32_t{0}});
  const ExtentIndex roomy = find_from(table, place_of(static_cast<std::uint32_t>(room)), granules, align, kLooks);
  if (roomy != kNoExtent) return roomy;
  return find_from(table, place_of(granules), granules, align, ~0u);
}

ExtentIndex FreeExtents::find_from(const ExtentTable& table, Place place, std::uint32_t granules, std::uint32_t align,
                                   unsigned looks) const {
  ExtentIndex lowest = kNoExtent;
  unsigned choice = kChoice;
  for (std::uint32_t rows = rows_ >> place.row << place.row; rows != 0; rows &= rows - 1) {
    const auto r = static_cast<unsigned>(std::countr_zero(rows));
    const unsigned from = r == place.row ? place.part : 0;
    for (std::uint32_t parts = parts_[r] >> from << from; parts != 0; parts &= parts - 1) {
      const ExtentList& list = lists_[r][std::countr_zero(parts)];
      for (ExtentIndex i = list.front(); i != kNoExtent; i = table[i].next) {
        const bool fits = table[i].granules >= std::size_t{padding(i, align)} + granules;
        if (fits) lowest = std::min(lowest, i);
        if ((fits && --choice == 0) || --looks == 0) return lowest;
      }
    }
  }
  return lowest;
}

ExtentIndex FreeExtents::largest(const ExtentTable& table) const {
  if (rows_ == 0) return kNoExtent;
  const unsigned r = static_cast<unsigned>(std::bit_width(rows_)) - 1;
  const ExtentList& list = lists_[r][std::bit_width(parts_[r]) - 1];
  ExtentIndex most = list.front();
  for (ExtentIndex i = most; i != kNoExtent; i = table[i].next) {
    if (table[i].granules > table[most].granules) most = i;
  }
  return most;
}

}  // namespace fastmem::core
