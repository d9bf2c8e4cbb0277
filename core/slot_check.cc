// SPDX-License-Identifier: BSD-3-Clause
// core/slot_check.cc -- floor 2 (core). What must be true of a slot: its caches, and the magazines behind them.
#include <algorithm>

#include "core/check_walk.h"
#include "core/slot.h"

namespace fastmem::core {

// `still`: the owner is not inside, or it is the caller.
void Slot::check(CheckWalk& walk, SlotId id, const Bin* bins, unsigned count, bool still) const {
  const bool rows_there = walk.in_books(caches_, Bytes{sizeof(Cache) * count}) &&
                          walk.in_books(books_, Bytes{sizeof(CacheBook) * count}, alignof(CacheBook));
  if (!walk.expect(id_ == id && rows_there, "a slot is not what it was made", this)) return;
  if (!walk.lock(mutex_)) return;
  for (unsigned b = 0; b < count; ++b) {
    check_cache(walk, bins[b], caches_[b], books_[b], still);
    check_previous(walk, bins[b], books_[b]);
  }
  mutex_.unlock();
}

void Slot::check_cache(CheckWalk& walk, const Bin& bin, const Cache& cache, const CacheBook& book, bool still) {
  ++walk.report().caches;
  const SizeClass& c = bin.size_class();
  walk.expect(book.reach <= c.magazine, "a cache reaches beyond its magazine", &book.reach);
  walk.sums.room += std::size_t{c.size} * 2 * std::min<std::uint64_t>(book.reach, c.magazine);
  if (book.loaded == nullptr) {
    walk.expect(cache.is_unloaded(), "a cache without a magazine is not empty", &cache);
    return;
  }
  if (!bin.check_magazine(walk, book.loaded, &book.loaded)) return;
  void** const first = book.loaded->objects();
  void** const last = first + book.loaded->capacity;
  const auto within = [&](void** cell) {
    const auto offset = reinterpret_cast<std::uintptr_t>(cell) - reinterpret_cast<std::uintptr_t>(first);
    return offset <= c.magazine * sizeof(void*) && offset % sizeof(void*) == 0;
  };
  void** const end = cache.end() != nullptr ? cache.end() : last;  // closed: its next push takes the slow twin
  const bool ends_well = within(cache.base()) && within(end) && cache.base() <= end;
  if (!walk.expect(ends_well, "a cache points out of its magazine", &cache)) return;
  if (!still) {
    ++walk.report().running;
    return;
  }
  void** const top = cache.top_acquire();
  if (!walk.expect(within(top) && top >= cache.base() && top <= end, "a cache's top is out of its magazine", &cache)) {
    return;
  }
  bin.check_objects(walk, cache.base(), static_cast<std::size_t>(top - cache.base()));
}

void Slot::check_previous(CheckWalk& walk, const Bin& bin, const CacheBook& book) {
  Magazine* const m = book.previous;
  if (m == nullptr || !bin.check_magazine(walk, m, &book.previous)) return;
  walk.expect(m != book.loaded, "a magazine is loaded and not", &book.previous);
  bin.check_objects(walk, m->objects(), m->count);
}

}  // namespace fastmem::core
