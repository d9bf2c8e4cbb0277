// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_random.h -- Q: what does replacing one of many live objects by another of random size cost?
#pragma once

#include "bench/clock.h"
#include "bench/random_set.h"
#include "bench/scenario.h"

namespace bench {

inline constexpr std::uint64_t kSeed = 20240229;

template <class Api>
class RandomScenario final : public Scenario {
 public:
  RandomScenario(const ScenarioInfo& info, bool quick) : set_(info.live, steps(info, quick), kSeed) {}

  void warm_up() override {
    set_.fill();
    set_.replace();
  }

  Sample run() override {
    const std::uint64_t begin = ticks();
    set_.replace();
    const std::uint64_t end = ticks();
    return {.cycles = static_cast<double>(end - begin) / static_cast<double>(set_.steps())};
  }

 private:
  // A large set sees every slot twice, on average.
  static std::size_t steps(const ScenarioInfo& info, bool quick) {
    const std::size_t full = info.live > 100'000 ? 2 * info.live : 2'000'000;
    return quick ? full / 2 : full;
  }

  RandomSet<Api> set_;
};

}  // namespace bench
