// SPDX-License-Identifier: BSD-3-Clause
// core/checker_check.cc -- floor 2 (core). What must be true of the quarantines of a heap whose objects are checked.
#include <bit>

#include "core/check_walk.h"
#include "core/checker.h"

namespace fastmem::core {

void Checker::check(CheckWalk& walk) const {
  for (unsigned s = 0; s < kMaxSlots; ++s) {
    const Quarantine* const q = existing_quarantine(s);
    if (q == nullptr) continue;
    if (walk.expect(walk.in_books(q, Bytes{sizeof(Quarantine)}), "a quarantine is not where one may be",
                    &quarantines_[s])) {
      q->check(walk);
    }
  }
  large_.check(walk);
}

void Quarantine::check(CheckWalk& walk) const {
  if (!walk.lock(mutex_)) return;
  const bool is_ring =
      capacity_ == 0 || (std::has_single_bit(capacity_) && capacity_ <= walk.most_pieces(Bytes{sizeof(Entry)}) &&
                         walk.in_books(ring_, Bytes{capacity_ * sizeof(Entry)}));
  if (walk.expect(is_ring && count_ <= capacity_ && (first_ < capacity_ || first_ == 0),
                  "a quarantine is not what it was made", this)) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      const Entry& e = ring_[(first_ + i) & (capacity_ - 1)];
      bytes += e.size;
      check_entry(walk, e);
    }
    walk.expect(bytes == bytes_, "a quarantine has not as much as it says", &bytes_);
  }
  mutex_.unlock();
}

void Quarantine::check_entry(CheckWalk& walk, const Entry& e) {
  const std::size_t granule = walk.map.granule_of(e.object);
  const bool there = walk.in_books(e.record, Bytes{sizeof(ObjectRecord)}, alignof(ObjectRecord)) &&
                     granule < walk.map.granules() && walk.extents[static_cast<ExtentIndex>(granule)].region != 0;
  if (!walk.expect(there, "what is at rest is no object", &e)) return;
  ++walk.report().objects;
}

}  // namespace fastmem::core
