// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_memory.h -- Q: what does growth cost?
//
// It needs a process that never allocated before: one run each.
#pragma once

#include <algorithm>

#include "bench/clock.h"
#include "bench/machine.h"
#include "bench/scenario.h"

namespace bench {

template <class Api>
class FirstTouchScenario final : public Scenario {
 public:
  explicit FirstTouchScenario(const ScenarioInfo& info)
      : size_(info.size), objects_(kGrowTo / size_), took_(kGrowTo / size_) {}

  void warm_up() override {}

  Sample run() override {
    const std::uint64_t overhead = ticks_overhead();
    const std::uint64_t begin = ticks();
    grow();
    const std::uint64_t end = ticks();
    for (void* p : objects_) Api::free(p);
    std::sort(took_.begin(), took_.end());
    const auto at = [&](std::size_t i) {
      return static_cast<double>(took_[i] - std::min<std::uint64_t>(took_[i], overhead));
    };
    const std::size_t n = took_.size();
    return {.cycles = at(n / 2),
            .p99_cycles = at(n * 99 / 100),
            .max_cycles = at(n - 1),
            .mean_cycles = static_cast<double>(end - begin) / static_cast<double>(n) - static_cast<double>(overhead)};
  }

 private:
  static constexpr std::size_t kGrowTo = std::size_t{256} << 20;

  void grow() {
    for (std::size_t i = 0; i < objects_.size(); ++i) {
      const std::uint64_t begin = ticks();
      void* p = Api::alloc(size_);
      if (p == nullptr) [[unlikely]]
        die("out of memory");
      *static_cast<volatile std::uint64_t*>(p) = i;
      took_[i] = ticks() - begin;
      objects_[i] = p;
    }
  }

  std::size_t size_;
  Books<void*> objects_;
  Books<std::uint64_t> took_;
};

}  // namespace bench
