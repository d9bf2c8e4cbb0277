// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/clock.h"

#include <algorithm>
#include <array>

namespace fastmem::tools {
namespace {

std::uint64_t cost = 0;
double rate = 1;

}  // namespace

void calibrate_clock() {
  std::array<std::uint64_t, 1001> gaps{};
  for (std::uint64_t& gap : gaps) {
    const std::uint64_t start = ticks();
    gap = ticks() - start;
  }
  std::nth_element(gaps.begin(), gaps.begin() + gaps.size() / 2, gaps.end());
  cost = gaps[gaps.size() / 2];
  const std::uint64_t from = nanoseconds(CLOCK_MONOTONIC);
  const std::uint64_t first = ticks();
  std::uint64_t now = from;
  while (now - from < 20'000'000) now = nanoseconds(CLOCK_MONOTONIC);
  rate = static_cast<double>(ticks() - first) / static_cast<double>(now - from);
}

std::uint64_t tick_cost() { return cost; }
double ticks_per_nanosecond() { return rate; }

}  // namespace fastmem::tools
