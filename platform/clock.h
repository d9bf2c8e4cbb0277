// SPDX-License-Identifier: BSD-3-Clause
// platform/clock.h -- floor 0. Time that only goes forward, for back-offs; a few nanoseconds, no system call.
#pragma once

#include <cstdint>
#include <ctime>

namespace fastmem {

inline std::uint64_t monotonic_ns() {
  std::timespec t{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace fastmem
