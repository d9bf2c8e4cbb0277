// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_memory.h -- Q: what does growth cost, and how much memory does a live byte take?
//
// Both need a process that never allocated before: one run each.
#pragma once

#include <algorithm>
#include <cstring>

#include "bench/clock.h"
#include "bench/machine.h"
#include "bench/random_set.h"
#include "bench/scenario.h"
#include "bench/scenarios_random.h"

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

// Its time is that of an allocation and of writing every byte.
template <class Api>
class FootprintScenario final : public Scenario {
 public:
  explicit FootprintScenario(const ScenarioInfo& info) : objects_(info.live), sizes_(info.live) {
    Random random(kSeed);
    for (std::uint32_t& size : sizes_) {
      size = static_cast<std::uint32_t>(random.size());
      live_bytes_ += size;
    }
    before_kib_ = resident().now_kib;
  }

  void warm_up() override {}

  Sample run() override {
    const std::uint64_t begin = ticks();
    for (std::size_t i = 0; i < objects_.size(); ++i) {
      objects_[i] = Api::alloc(sizes_[i]);
      if (objects_[i] == nullptr) [[unlikely]]
        die("out of memory");
      std::memset(objects_[i], 1, sizes_[i]);
    }
    const std::uint64_t end = ticks();
    const double grown = static_cast<double>(resident().now_kib - before_kib_) * 1024;
    return {.cycles = static_cast<double>(end - begin) / static_cast<double>(objects_.size()),
            .rss_per_live = grown / static_cast<double>(live_bytes_)};
  }

 private:
  Books<void*> objects_;
  Books<std::uint32_t> sizes_;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t before_kib_ = 0;
};

}  // namespace bench
