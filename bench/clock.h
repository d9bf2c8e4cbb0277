// SPDX-License-Identifier: BSD-3-Clause
// bench/clock.h -- Q: what time is it, in cycles of the time-stamp counter?
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include <chrono>
#endif

namespace bench {

#if defined(__x86_64__)
// Fenced on both sides: neither earlier nor later work leaks across the reading.
inline std::uint64_t ticks() noexcept {
  _mm_lfence();
  const std::uint64_t t = __rdtsc();
  _mm_lfence();
  return t;
}
#else
inline std::uint64_t ticks() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}
#endif

// Measured against the monotonic clock over a few hundredths of a second.
double ticks_per_ns();

// What two readings with nothing between them cost.
std::uint64_t ticks_overhead();

}  // namespace bench
