// SPDX-License-Identifier: BSD-3-Clause
// core/region_table_check.cc -- floor 2 (core). What must be true of the regions a heap holds.
#include <bit>

#include "core/check_walk.h"
#include "core/region_table.h"

namespace fastmem::core {

// false: some cannot be looked at.
bool RegionTable::check(CheckWalk& walk, unsigned nodes) const {
  const unsigned highest = highest_.load(std::memory_order_acquire);
  for (unsigned n = 1; n <= highest; ++n) {
    const RegionInfo* const chunk = chunks_[n / kChunk];
    if (!walk.expect(walk.in_books(chunk, Bytes{kChunk * sizeof(RegionInfo)}),
                     "a part of the table of regions is not where one may be", &chunks_[n / kChunk])) {
      return false;
    }
    const RegionInfo& info = chunk[n % kChunk];
    if (info.present.load(std::memory_order_acquire) && !check_region(walk, info, nodes)) return false;
  }
  return true;
}

bool RegionTable::check_region(CheckWalk& walk, const RegionInfo& info, unsigned nodes) {
  ++walk.report().regions;
  const Region& r = info.region;
  const std::size_t first = walk.map.granule_of(r.base);
  const auto at = reinterpret_cast<std::uintptr_t>(r.base);
  const bool in_window = at % kGranule == 0 && r.size.rep % kGranule == 0 && r.size.rep != 0 &&
                         first < walk.map.granules() && r.size.rep / kGranule <= walk.map.granules() - first;
  if (!walk.expect(in_window && info.node < nodes, "a region is not in the heap", &info)) return false;
  const bool paged = std::has_single_bit(r.page_size.rep) && r.size.rep % r.page_size.rep == 0 &&
                     info.page_shift == static_cast<unsigned>(std::countr_zero(r.page_size.rep));
  if (!walk.expect(paged, "a region's pages are of no size", &info)) return true;
  const IovaState known = info.iova.load(std::memory_order_acquire);
  const bool has_table = info.table != nullptr;
  const bool table_there = walk.in_books(info.table, Bytes{r.size / r.page_size * sizeof(Iova)});
  walk.expect(known <= IovaState::kUnavailable && (has_table ? table_there : known != IovaState::kTable),
              "a region's device addresses are not where they may be", &info);
  return true;
}

}  // namespace fastmem::core
