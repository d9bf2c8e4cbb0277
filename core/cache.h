// SPDX-License-Identifier: BSD-3-Clause
// core/cache.h -- floor 2 (core). The stack of free objects that a slot has for one bin: what alloc and free touch.
// What:      three pointers into the loaded magazine's array. The processor renames the memory cell `top` between a pop
//            and the next push, which an index beside an array does not get. Objects themselves are never touched.
// Threads:   the slot's owner pops and pushes at the top without a lock or an atomic instruction. Another thread that has
//            run out of memory may take objects from the bottom, holding the slot's lock: it raises `base`, makes every
//            running thread pass a barrier (heavy_fence), and reads `top`. A pop lowers `top` first and looks at `base`
//            after it (light_fence), so one of the two sees the other: Chase and Lev's deque ("Dynamic circular
//            work-stealing deque", SPAA 2005) with the owner's fence paid by the thief. See Slot::steal_slow().
// Invariant: base <= top <= end, but for the instant between an owner's failed claim() and its slow twin.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "platform/asymmetric_fence.h"
#include "platform/types.h"

namespace fastmem::core {

class Cache {
 public:
  // Without a magazine: every pop and every push takes its slow twin, so there is no check for first use.
  Cache() { unload(); }

  // pop: `cell = claim(); if (holds(cell)) object = object_at(cell); else slow twin, which begins with unclaim()`.
  [[gnu::always_inline]] void** claim(std::size_t n = 1) {
    void** const cell = top_.load(std::memory_order_relaxed) - n;
    top_.store(cell, std::memory_order_relaxed);
    light_fence();  // pairs with Slot::steal_slow()
    return cell;
  }
  [[gnu::always_inline]] bool holds(void** cell) const { return cell >= base_.load(std::memory_order_relaxed); }
  [[gnu::always_inline]] static void* object_at(void** cell) {
    void* const object = std::atomic_ref<void*>(*cell).load(std::memory_order_relaxed);
    if (object == nullptr) __builtin_unreachable();  // spares callers a test
    return object;
  }

  // push; false: full, the slow twin serves.
  [[gnu::always_inline]] bool push(void* object) {
    void** const cell = top_.load(std::memory_order_relaxed);
    if (cell >= end_.load(std::memory_order_relaxed)) [[unlikely]] return false;
    std::atomic_ref<void*>(*cell).store(object, std::memory_order_relaxed);
    top_.store(cell + 1, std::memory_order_release);  // publishes the cell; pairs with top_acquire() of a thief
    frees_.store(frees_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return true;
  }

  // pushes as many as there is room for, and says how many.
  std::size_t push_bulk(void* const* objects, std::size_t n) {
    void** const cell = top_.load(std::memory_order_relaxed);
    void** const last = end_.load(std::memory_order_relaxed);
    if (cell >= last) return 0;
    if (n > static_cast<std::size_t>(last - cell)) n = static_cast<std::size_t>(last - cell);
    std::memcpy(cell, objects, n * sizeof(void*));
    top_.store(cell + n, std::memory_order_release);
    count_frees(n);
    return n;
  }

  // ---- the rest under the slot's lock ----

  void unclaim(std::size_t n = 1) { top_.store(top() + n, std::memory_order_release); }

  // The objects [first, top) of an array that ends at `end` become the cache.
  void load(void** first, void** top, void** end) {
    base_.store(first, std::memory_order_relaxed);
    end_.store(end, std::memory_order_relaxed);
    top_.store(top, std::memory_order_release);
  }
  void unload() {
    base_.store(kNever, std::memory_order_relaxed);
    end_.store(nullptr, std::memory_order_relaxed);
    top_.store(nullptr, std::memory_order_relaxed);
  }
  bool loaded() const { return base() != kNever; }

  void** top() const { return top_.load(std::memory_order_relaxed); }
  void** top_acquire() const { return top_.load(std::memory_order_acquire); }
  void** base() const { return base_.load(std::memory_order_relaxed); }
  void** end() const { return end_.load(std::memory_order_relaxed); }
  void set_base(void** base) { base_.store(base, std::memory_order_relaxed); }

  // Objects in it now; another thread's view may be a moment old.
  std::size_t count() const {
    void** const b = base();
    void** const t = top_acquire();
    return b != kNever && t > b ? static_cast<std::size_t>(t - b) : 0;
  }

  std::uint64_t frees() const { return frees_.load(std::memory_order_relaxed); }
  void count_frees(std::uint64_t n) { frees_.store(frees() + n, std::memory_order_relaxed); }

 private:
  static inline void** const kNever = reinterpret_cast<void**>(~std::uintptr_t{0});  // above every cell

  std::atomic<void**> top_;                // writer: the owner
  std::atomic<void**> base_;               // writer: under the slot's lock
  std::atomic<void**> end_;                // writer: under the slot's lock
  std::atomic<std::uint64_t> frees_{0};    // writer: the owner. relaxed: readers tolerate stale
};

static_assert(Shareable<Cache> && sizeof(Cache) == 32);

}  // namespace fastmem::core
