// SPDX-License-Identifier: BSD-3-Clause
// core/zone_table_check.cc -- floor 2 (core). What must be true of the named zones.
#include <cstring>

#include "core/check_walk.h"
#include "core/zone_table.h"

namespace fastmem::core {

void ZoneTable::check(CheckWalk& walk) const {
  if (!walk.lock(mutex_)) return;
  const bool bounded = walk.expect(end_ <= kMostZones, "there are more zones than there can be", &end_);
  for (unsigned n = 0; bounded && n < end_; ++n) {
    const Entry* const chunk = chunks_[n / kChunk];
    if (!walk.expect(walk.in_books(chunk, Bytes{kChunk * sizeof(Entry)}),
                     "a part of the table of zones is not where one may be", &chunks_[n / kChunk])) {
      break;
    }
    const Entry& e = chunk[n % kChunk];
    if (!walk.expect(e.use <= Use::kZone, "a zone is neither there nor not", &e) || e.use != Use::kZone) continue;
    const std::size_t granule = walk.map.granule_of(e.zone.base);
    walk.expect(std::memchr(e.zone.name, 0, sizeof(e.zone.name)) != nullptr && granule < walk.map.granules() &&
                    walk.extents[static_cast<ExtentIndex>(granule)].region.load(std::memory_order_relaxed) != 0,
                "a zone is not in the heap", &e);
  }
  mutex_.unlock();
}

}  // namespace fastmem::core
