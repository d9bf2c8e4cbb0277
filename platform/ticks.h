// SPDX-License-Identifier: BSD-3-Clause
// platform/ticks.h -- floor 0. The processor's own clock: a dozen cycles a look, the same on every CPU of a machine of
// today, in units that only a comparison with another clock tells.
#pragma once

#include <cstdint>

#include "platform/clock.h"

namespace fastmem {

inline std::uint64_t ticks() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  std::uint64_t now;
  asm volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
#else
  return monotonic_ns();
#endif
}

// Turns ticks into nanoseconds by what both clocks did since it was made.
class TickScale {
 public:
  TickScale() : ticks_(ticks()), ns_(monotonic_ns()) {}

  std::uint64_t ns_since(std::uint64_t then) const {
    const std::uint64_t now = ticks();
    const std::uint64_t all = now - ticks_;
    if (now <= then || all == 0) return 0;
    const std::uint64_t passed = monotonic_ns() - ns_;
    return static_cast<std::uint64_t>(static_cast<double>(now - then) *
                                      (static_cast<double>(passed) / static_cast<double>(all)));
  }
  std::uint64_t start() const { return ticks_; }

 private:
  std::uint64_t ticks_;
  std::uint64_t ns_;
};

}  // namespace fastmem
