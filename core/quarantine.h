// SPDX-License-Identifier: BSD-3-Clause
// core/quarantine.h -- floor 2 (core). Where freed objects of a checked heap rest, oldest first out: a ring in the arena
// that doubles as it fills.
// Invariant: bytes_ <= allowance_ after every push() and pop_excess() that returned fewer than it could
// Callers:   Heap's checked twins: each slot has one for small objects, the heap one for large ones.
// Locks:     mutex_ (rank kQuarantine) guards every field; kArena may be taken inside it.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>

#include "core/arena.h"
#include "core/object_record.h"
#include "platform/mutex.h"

namespace fastmem::core {

class CheckWalk;

// What all slots' quarantines share. Each claims its part in steps, and has one step whatever the others have.
class RestingBudget {
 public:
  static constexpr std::size_t kSteps = 64;

  explicit RestingBudget(Bytes bound) : bound_(bound.rep), step_(bound.rep / kSteps) {}

  std::size_t step() const { return step_; }
  bool claim() {
    if (step_ == 0 || claimed_.load(std::memory_order_relaxed) + step_ > bound_) return false;
    if (claimed_.fetch_add(step_, std::memory_order_relaxed) + step_ <= bound_) return true;
    claimed_.fetch_sub(step_, std::memory_order_relaxed);
    return false;
  }
  void give(std::size_t bytes) { claimed_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  std::size_t bound_;
  std::size_t step_;
  std::atomic<std::size_t> claimed_{0};  // relaxed: a bound, not an order
};

class Quarantine {
 public:
  struct Entry {
    ObjectRecord* record;
    std::byte* object;
    std::size_t size;  // of its cell: what rests
  };

  // budget nullptr: `allowance` is all there is.
  Quarantine(Arena* arena, RestingBudget* budget, std::size_t allowance)
      : arena_(arena), budget_(budget), allowance_(allowance), least_(allowance) {}

  // false: it cannot rest here, there is no memory for the books, or it is larger than all that may rest. Else `n` of the
  // oldest are in `out`, which are too many now; as many as it has room for: there may be more.
  bool push(const Entry& entry, std::span<Entry> out, std::size_t& n) FM_EXCLUDES(mutex_);
  std::size_t pop_excess(std::span<Entry> out) FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    return pop_excess_locked(out);
  }
  // The oldest; what they took of the budget goes back once nothing is left.
  std::size_t pop(std::span<Entry> out) FM_EXCLUDES(mutex_);

  // visit(entry) of each, under the lock.
  template <class Visit>
  void each(Visit visit) const FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    for (std::size_t i = 0; i < count_; ++i) visit(ring_[(first_ + i) & (capacity_ - 1)]);
  }

  void check(CheckWalk& walk) const FM_EXCLUDES(mutex_);  // core/checker_check.cc
  Mutex& mutex() { return mutex_; }

 private:
  static constexpr std::size_t kFirstCapacity = 64;

  static void check_entry(CheckWalk& walk, const Entry& entry);
  std::size_t pop_excess_locked(std::span<Entry> out) FM_REQUIRES(mutex_);
  bool grow() FM_REQUIRES(mutex_);
  Entry pop_one() FM_REQUIRES(mutex_);

  mutable Mutex mutex_{LockRank::kQuarantine};
  Arena* arena_;
  RestingBudget* budget_;
  std::size_t allowance_ FM_GUARDED_BY(mutex_);
  std::size_t least_;
  std::size_t bytes_ FM_GUARDED_BY(mutex_) = 0;
  Entry* ring_ FM_GUARDED_BY(mutex_) = nullptr;
  std::size_t capacity_ FM_GUARDED_BY(mutex_) = 0;  // a power of two, or 0
  std::size_t first_ FM_GUARDED_BY(mutex_) = 0;
  std::size_t count_ FM_GUARDED_BY(mutex_) = 0;
};

static_assert(Shareable<Quarantine>);

}  // namespace fastmem::core
