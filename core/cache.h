// SPDX-License-Identifier: BSD-3-Clause
// core/cache.h -- floor 2 (core). The stack of free objects that a slot has for one bin: what alloc and free touch.
// What:      three pointers into the loaded magazine's array. The processor renames the memory cell `top` between a pop
//            and the next push, which an index beside an array does not get. Objects themselves are never touched.
// Threads:   the slot's owner pops and pushes at the top without a lock or an atomic instruction. Another thread that
//            has run out of memory may take objects from the bottom, holding the slot's lock: it raises `base`, makes
//            every running thread pass a barrier (heavy_fence), and reads `top`. A pop lowers `top` first and looks at
//            `base` after it (light_fence), so one of the two sees the other: Chase and Lev's deque ("Dynamic circular
//            work-stealing deque", SPAA 2005) with the owner's fence paid by the thief. See Slot::steal_slow().
// Invariant: base <= top <= end, but for the instant between an owner's failed claim() and its slow twin, and but for a
//            closed cache, whose end is 0.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "platform/asymmetric_fence.h"
#include "platform/cpu.h"
#include "platform/types.h"

namespace fastmem::core {

class alignas(32) Cache {
 public:
  // Without a magazine: every pop and every push takes its slow twin, so there is no check for first use.
  constexpr Cache() = default;

  // pop: `cell = claim(); if (holds(cell)) object = object_at(cell); else slow twin, which begins with unclaim()`.
  [[gnu::always_inline]] void** claim(std::size_t n = 1) {
    const Cell cell = top_.load(std::memory_order_relaxed) - n * sizeof(void*);
    top_.store(cell, std::memory_order_relaxed);
    light_fence();  // pairs with Slot::steal_slow()
    return at(cell);
  }
  [[gnu::always_inline]] bool holds(void** cell) const { return !is_below(of(cell), base_); }
  [[gnu::always_inline]] static void* object_at(void** cell) {
    void* const object = *cell;
    if (object == nullptr) __builtin_unreachable();  // spares callers a test
    return object;
  }

  // push; false: full, the slow twin serves.
  [[gnu::always_inline]] bool push(void* object) {
    const Cell cell = top_.load(std::memory_order_relaxed);
    if (!is_below(cell, end_)) [[unlikely]]
      return false;
    *at(cell) = object;
    top_.store(cell + sizeof(void*),
               std::memory_order_release);  // publishes the cell; pairs with top_acquire() of a thief
    count_up(frees_);
    return true;
  }

  // pushes as many as there is room for, and says how many.
  std::size_t push_bulk(void* const* objects, std::size_t n) {
    void** const cell = top();
    void** const last = end();
    if (cell >= last) return 0;
    if (n > static_cast<std::size_t>(last - cell)) n = static_cast<std::size_t>(last - cell);
    std::memcpy(cell, objects, n * sizeof(void*));
    top_.store(of(cell + n), std::memory_order_release);
    count_frees(n);
    return n;
  }

  // ---- the rest under the slot's lock ----

  void unclaim(std::size_t n = 1) {
    top_.store(top_.load(std::memory_order_relaxed) + n * sizeof(void*), std::memory_order_release);
  }

  // The objects [first, top) of an array that ends at `end` become the cache.
  void load(void** first, void** top, void** end) {
    base_.store(of(first), std::memory_order_relaxed);
    end_.store(of(end), std::memory_order_relaxed);
    top_.store(of(top), std::memory_order_release);
  }
  void unload() {
    base_.store(kNever, std::memory_order_relaxed);
    end_.store(0, std::memory_order_relaxed);
    top_.store(0, std::memory_order_relaxed);
  }

  bool is_unloaded() const {
    return base_.load(std::memory_order_relaxed) == kNever && end_.load(std::memory_order_relaxed) == 0;
  }

  void** top() const { return at(top_.load(std::memory_order_relaxed)); }
  void** top_acquire() const { return at(top_.load(std::memory_order_acquire)); }
  void** base() const { return at(base_.load(std::memory_order_relaxed)); }
  void** end() const { return at(end_.load(std::memory_order_relaxed)); }
  // The next push takes its slow twin; what is in it stays.
  void close() { end_.store(0, std::memory_order_relaxed); }
  void set_base(void** base) { base_.store(of(base), std::memory_order_relaxed); }

  // Objects in it now; another thread's view may be a moment old.
  std::size_t count() const {
    const Cell b = base_.load(std::memory_order_relaxed);
    const Cell t = top_.load(std::memory_order_acquire);
    return b != kNever && t > b ? (t - b) / sizeof(void*) : 0;
  }

  std::uint64_t frees() const { return frees_.load(std::memory_order_relaxed); }
  void count_frees(std::uint64_t n) { frees_.store(frees() + n, std::memory_order_relaxed); }

 private:
  using Cell = std::uintptr_t;              // the address of a void*
  static constexpr Cell kNever = ~Cell{0};  // above every cell
  [[gnu::always_inline]] static void** at(Cell cell) { return reinterpret_cast<void**>(cell); }
  [[gnu::always_inline]] static Cell of(void** cell) { return reinterpret_cast<Cell>(cell); }

  // In this order: an object's first word and a cell 4 KiB apart look alike to the processor, which then makes a load
  // wait for a store that is none of its business. Objects begin at multiples of 16 and more. So does `end_`: only a
  // well predicted branch waits for it.
  std::atomic<Cell> end_{0};             // writer: under the slot's lock
  std::atomic<Cell> top_{0};             // writer: the owner (without a magazine: anyone, and it means nothing)
  std::atomic<Cell> base_{kNever};       // writer: under the slot's lock
  std::atomic<std::uint64_t> frees_{0};  // writer: the owner. relaxed: readers tolerate stale
};

static_assert(Shareable<Cache> && sizeof(Cache) == 32);

// Tables that lead to a cache hold its place in a row in words, which an address can scale by itself.
inline constexpr unsigned kWordsPerCache = sizeof(Cache) / sizeof(void*);

[[gnu::always_inline]] inline Cache& cache_at(Cache* row, unsigned words) {
  return *reinterpret_cast<Cache*>(reinterpret_cast<void**>(row) + words);
}

}  // namespace fastmem::core
