// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/clock.h -- Q: how is time taken? A processor's counter around single calls, the system's clocks
// otherwise.
#pragma once

#include <time.h>

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace fastmem::tools {

inline std::uint64_t nanoseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// The time stamp counter; elsewhere than on x86-64 nanoseconds or what the architecture counts.
inline std::uint64_t ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  std::uint64_t now;
  asm volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
#else
  return nanoseconds(CLOCK_MONOTONIC);
#endif
}

inline double wall_seconds() { return static_cast<double>(nanoseconds(CLOCK_MONOTONIC)) * 1e-9; }
inline double process_cpu_seconds() { return static_cast<double>(nanoseconds(CLOCK_PROCESS_CPUTIME_ID)) * 1e-9; }
inline std::uint64_t thread_cpu_nanoseconds() { return nanoseconds(CLOCK_THREAD_CPUTIME_ID); }

// Measures the two below; takes some 20 ms.
void calibrate_clock();
std::uint64_t tick_cost();  // what ticks() - ticks() is when nothing is between
double ticks_per_nanosecond();

}  // namespace fastmem::tools
