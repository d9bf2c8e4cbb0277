// SPDX-License-Identifier: BSD-3-Clause
// platform/cpu.h -- floor 0. What the processor needs to be told.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fastmem {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kLinePair = 128;  // the unit that adjacent-line prefetchers share

inline void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Adds one to a counter that only the calling thread writes: readers see it whole, and it costs one plain instruction.
[[gnu::always_inline]] inline void count_up(std::atomic<std::uint64_t>& counter) {
#if defined(__x86_64__)
  asm("incq %0" : "+m"(counter));
#else
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
#endif
}

// value < bound, the bound read by the comparison itself: compilers keep the two apart where the bound is atomic.
[[gnu::always_inline]] inline bool is_below(std::uintptr_t value, const std::atomic<std::uintptr_t>& bound) {
#if defined(__x86_64__)
  bool below;
  asm("cmpq %2, %1" : "=@ccb"(below) : "r"(value), "m"(bound));
  return below;
#else
  return value < bound.load(std::memory_order_relaxed);
#endif
}

}  // namespace fastmem
