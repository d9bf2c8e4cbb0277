// SPDX-License-Identifier: BSD-3-Clause
#include "core/free_extents.h"

#include <algorithm>
#include <bit>

namespace fastmem::core {
namespace {

constexpr unsigned kLooks = 16;  // extents tried for a lucky alignment before one is taken that holds any
constexpr unsigned kPartShift = 5;

}  // namespace

// Which list a free extent of this many granules is in: every extent of a later list is larger.
FreeExtents::Place FreeExtents::place_of(std::size_t granules) {
  static_assert(kPerDoubling == 1u << kPartShift);
  const std::size_t n = std::min(granules, std::size_t{~std::uint32_t{0}}) | (granules == 0);
  const unsigned doubling = static_cast<unsigned>(std::bit_width(n)) - 1;
  const std::size_t scaled = doubling < kPartShift ? n << (kPartShift - doubling) : n >> (doubling - kPartShift);
  return {doubling, static_cast<unsigned>(scaled % kPerDoubling)};
}

// First fit among the smallest that may hold it, with a lucky alignment; then any that holds it however it is aligned;
// last, before memory is called short, every one.
ExtentIndex FreeExtents::find(const ExtentTable& table, std::uint32_t granules, std::uint32_t align) const {
  const ExtentIndex lucky = find_from(table, place_of(granules), granules, align, kLooks);
  if (lucky != kNoExtent) return lucky;
  const ExtentIndex roomy = find_from(table, place_of(std::size_t{granules} + align - 1), granules, align, kLooks);
  if (roomy != kNoExtent) return roomy;
  return find_from(table, place_of(granules), granules, align, ~0u);
}

ExtentIndex FreeExtents::find_from(const ExtentTable& table, Place place, std::uint32_t granules, std::uint32_t align,
                                   unsigned looks) const {
  std::uint32_t doublings = doublings_ >> place.doubling << place.doubling;
  while (doublings != 0) {
    const auto d = static_cast<unsigned>(std::countr_zero(doublings));
    const unsigned from = d == place.doubling ? place.part : 0;
    for (std::uint32_t parts = parts_[d] >> from << from; parts != 0; parts &= parts - 1) {
      const ExtentList& list = lists_[d][std::countr_zero(parts)];
      for (ExtentIndex i = list.front(); i != kNoExtent; i = table[i].next) {
        if (table[i].granules >= std::size_t{padding(i, align)} + granules) return i;
        if (--looks == 0) return kNoExtent;
      }
    }
    doublings &= doublings - 1;
  }
  return kNoExtent;
}

ExtentIndex FreeExtents::largest(const ExtentTable& table) const {
  if (doublings_ == 0) return kNoExtent;
  const unsigned d = static_cast<unsigned>(std::bit_width(doublings_)) - 1;
  const ExtentList& list = lists_[d][std::bit_width(parts_[d]) - 1];
  ExtentIndex most = list.front();
  for (ExtentIndex i = most; i != kNoExtent; i = table[i].next) {
    if (table[i].granules > table[most].granules) most = i;
  }
  return most;
}

void FreeExtents::insert(ExtentTable& table, ExtentIndex i) {
  const Place place = place_of(table[i].granules);
  ++count_;
  lists_[place.doubling][place.part].push_front(table, i);
  doublings_ |= 1u << place.doubling;
  parts_[place.doubling] |= 1u << place.part;
}

void FreeExtents::remove(ExtentTable& table, ExtentIndex i) {
  const Place place = place_of(table[i].granules);
  ExtentList& list = lists_[place.doubling][place.part];
  --count_;
  list.remove(table, i);
  if (!list.empty()) return;
  parts_[place.doubling] &= ~(1u << place.part);
  if (parts_[place.doubling] == 0) doublings_ &= ~(1u << place.doubling);
}

bool FreeExtents::bitmaps_are_right() const {
  for (unsigned d = 0; d < kDoublings; ++d) {
    for (unsigned p = 0; p < kPerDoubling; ++p) {
      if (lists_[d][p].empty() != ((parts_[d] >> p & 1) == 0)) return false;
    }
    if ((parts_[d] != 0) != ((doublings_ >> d & 1) != 0)) return false;
  }
  return true;
}

}  // namespace fastmem::core
