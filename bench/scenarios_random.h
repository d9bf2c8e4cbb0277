// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_random.h -- Q: what does replacing one of many live objects by another of random size cost?
#pragma once

#include <algorithm>

#include "bench/clock.h"
#include "bench/counters.h"
#include "bench/random_set.h"
#include "bench/scenario.h"

namespace bench {

template <class Api, class Freeing>
class RandomScenario final : public Scenario {
 public:
  RandomScenario(const ScenarioInfo& info, bool quick) : set_(info.live, steps(info, quick), kSeed, info.largest) {}

  void warm_up() override {
    set_.fill();
    set_.replace();
  }

  Sample run() override {
    counters_.start();
    const std::uint64_t begin = ticks();
    set_.replace();
    const std::uint64_t end = ticks();
    const auto operations = static_cast<double>(set_.steps());
    return {.cycles = static_cast<double>(end - begin) / operations, .counters = counters_.stop(operations)};
  }

 private:
  static constexpr std::size_t kFewest = 2'000'000;
  static constexpr std::size_t kMost = 10'000'000;

  // A large set sees every slot twice, on average; the largest once.
  static std::size_t steps(const ScenarioInfo& info, bool quick) {
    const std::size_t full = std::clamp(2 * info.live, kFewest, kMost);
    return quick ? full / 2 : full;
  }

  RandomSet<Api, Freeing> set_;
  Counters counters_;
};

}  // namespace bench
