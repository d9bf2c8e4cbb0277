// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/first_allocation.h -- Q: how long does the first allocation in a class take when memory is reserved?
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bench/clock.h"
#include "bench/scenario.h"

namespace bench {

inline constexpr std::size_t kReserved = std::size_t{64} << 20;
inline constexpr std::size_t kAnyAlign = 8;  // by default, small sizes share the class of a cache line

// FreshHeap: constructed with kReserved bytes reserved, sizes(), alloc(size), free(p). A new one for every run.
template <class FreshHeap>
class FirstAllocationScenario final : public Scenario {
 public:
  void warm_up() override { run(); }

  Sample run() override {
    const std::uint64_t overhead = ticks_overhead();
    FreshHeap heap;
    std::vector<std::uint64_t> took;
    for (std::size_t size : heap.sizes()) {
      const std::uint64_t begin = ticks();
      void* p = heap.alloc(size);
      if (p == nullptr) [[unlikely]]
        die("out of memory");
      *static_cast<volatile std::uint64_t*>(p) = size;
      const std::uint64_t cycles = ticks() - begin;
      took.push_back(cycles - std::min(cycles, overhead));
      heap.free(p);
    }
    std::sort(took.begin(), took.end());
    std::uint64_t sum = 0;
    for (std::uint64_t cycles : took) sum += cycles;
    const auto at = [&](std::size_t i) { return static_cast<double>(took[i]); };
    return {.cycles = at(took.size() / 2),
            .p99_cycles = at(took.size() * 99 / 100),
            .max_cycles = at(took.size() - 1),
            .mean_cycles = static_cast<double>(sum) / static_cast<double>(took.size())};
  }
};

}  // namespace bench
