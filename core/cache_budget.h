// SPDX-License-Identifier: BSD-3-Clause
// core/cache_budget.h -- floor 2 (core). How much room for free objects all caches and depots of a heap may have.
// What:      room is counted, not content: a cache that may hold 64 objects counts them all, also when it is empty. So
//            what lies free outside of slabs never exceeds the budget, whatever threads do, and nothing is counted on
//            the hot path. Caches and depots ask for room as misses show that they need it, and give it back when they
//            are flushed or idle.
// Callers:   Slot for its caches, Bin for its depot; Heap tells.
// Threads:   any, without a lock.
#pragma once

#include <atomic>
#include <cstddef>

#include "platform/types.h"

namespace fastmem::core {

class CacheBudget {
 public:
  explicit CacheBudget(Bytes most) : most_(most.rep) {}

  // All or nothing.
  bool take(Bytes room) {
    const std::size_t before = granted_.fetch_add(room.rep, std::memory_order_relaxed);
    if (before + room.rep <= most_ && before <= most_) return true;
    give(room);
    return false;
  }
  void give(Bytes room) { granted_.fetch_sub(room.rep, std::memory_order_relaxed); }

  Bytes granted() const { return Bytes{granted_.load(std::memory_order_relaxed)}; }

 private:
  std::size_t most_;
  std::atomic<std::size_t> granted_{0};  // relaxed: a sum, it publishes nothing
};

static_assert(Shareable<CacheBudget>);

}  // namespace fastmem::core
