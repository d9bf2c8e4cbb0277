// SPDX-License-Identifier: BSD-3-Clause
// core/arena_check.cc -- floor 2 (core). What must be true of the memory of a heap's books.
#include "core/arena.h"
#include "core/check_walk.h"

namespace fastmem::core {

void Arena::check(CheckWalk& walk) {
  if (!walk.lock(mutex_)) return;
  const bool bounds = walk.in_books(base_, size_) && bump_ <= writable_ && writable_ <= size_.rep;
  if (walk.expect(bounds, "the books are not where they were made", this)) {
    for (unsigned list = 0; list < kLists; ++list) check_list(walk, list);
  }
  mutex_.unlock();
}

void Arena::check_list(CheckWalk& walk, unsigned list) const {
  const std::size_t size = std::size_t{1} << (list + kLeastShift);
  std::size_t pieces = 0;
  for (const Piece* p = free_[list]; p != nullptr; p = p->next) {
    const auto at = reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(base_);
    const bool there = at % kCacheLine == 0 && at <= bump_ && size <= bump_ - at;
    if (!walk.expect(there, "a free piece of the books is not in them", p)) return;
    if (!walk.expect(++pieces <= bump_ / size, "free pieces of the books are in a ring", p)) return;
  }
}

}  // namespace fastmem::core
