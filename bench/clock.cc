// SPDX-License-Identifier: BSD-3-Clause
// bench/clock.cc -- Q: how many cycles of the time-stamp counter are there in a nanosecond?
#include "bench/clock.h"

#include <algorithm>
#include <chrono>

namespace bench {

double ticks_per_ns() {
  using Clock = std::chrono::steady_clock;
  constexpr auto kLong = std::chrono::milliseconds(50);
  const auto begin = Clock::now();
  const std::uint64_t first = ticks();
  auto end = begin;
  while (end - begin < kLong) end = Clock::now();
  const std::uint64_t last = ticks();
  return static_cast<double>(last - first) /
         static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count());
}

std::uint64_t ticks_overhead() {
  std::uint64_t least = UINT64_MAX;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t begin = ticks();
    least = std::min(least, ticks() - begin);
  }
  return least;
}

}  // namespace bench
