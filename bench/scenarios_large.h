// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_large.h -- Q: what do objects cost that are whole pages, when nobody touches them?
//
// Touching them costs page faults, a cache or both, and says nothing of an allocator. What one writes itself (a header,
// zeroes) counts.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "bench/clock.h"
#include "bench/machine.h"
#include "bench/random.h"
#include "bench/scenario.h"
#include "bench/scenarios_small.h"

namespace bench {

template <class Source>
struct UntouchedPairs {
  [[gnu::noinline]] static std::uint64_t loop(Source source, std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      void* p = source.alloc();
      if (p == nullptr) [[unlikely]]
        die("out of memory");
      use(p);
      source.free(p);
    }
    return n;
  }
};

// `live` objects of 1 .. 16 MiB; random ones are replaced by others of random size. Source{size} serves that size.
template <class Source>
class LargeSetScenario final : public Scenario {
 public:
  LargeSetScenario(std::size_t live, bool quick)
      : slots_(live), steps_(kSteps), slice_cycles_(quick ? 2'000'000 : 20'000'000) {
    Random random(kSeed);
    const auto draw = [&] { return kLeast + random.below(kMost - kLeast + 1); };
    for (void*& slot : slots_) slot = make(draw());
    for (Step& step : steps_) step = {.slot = random.below(static_cast<std::uint32_t>(live)), .size = draw()};
  }
  ~LargeSetScenario() override {
    for (void* slot : slots_) Source{0}.free(slot);
  }
  LargeSetScenario(const LargeSetScenario&) = delete;
  LargeSetScenario& operator=(const LargeSetScenario&) = delete;

  // The first replacements find the set as it was filled: a hole for none of them.
  void warm_up() override {
    replace(kWarmUp);
    const std::uint64_t begin = ticks();
    replace(kWarmUp);
    const std::uint64_t took = std::max<std::uint64_t>(ticks() - begin, 1);
    n_ = std::max<std::uint64_t>(kWarmUp * slice_cycles_ / took, kLeastInSlice);
  }

  Sample run() override {
    std::array<double, kSlices> slices;
    for (double& cycles : slices) {
      const std::uint64_t begin = ticks();
      replace(n_);
      cycles = static_cast<double>(ticks() - begin) / static_cast<double>(n_);
    }
    std::sort(slices.begin(), slices.end());
    return {.cycles = slices[kSlices / 2]};
  }

 private:
  static constexpr std::uint32_t kLeast = 1u << 20;
  static constexpr std::uint32_t kMost = 16u << 20;
  static constexpr std::size_t kSteps = 1 << 14;
  static constexpr std::size_t kSlices = 9;
  static constexpr std::uint64_t kWarmUp = 256;
  static constexpr std::uint64_t kLeastInSlice = 16;

  struct Step {
    std::uint32_t slot;
    std::uint32_t size;
  };

  static void* make(std::size_t size) {
    void* p = Source{size}.alloc();
    if (p == nullptr) [[unlikely]]
      die("out of memory for a set of large objects");
    return p;
  }

  void replace(std::uint64_t n) {
    for (; n != 0; --n) {
      const Step step = steps_[next_++ % kSteps];
      Source{0}.free(slots_[step.slot]);
      slots_[step.slot] = make(step.size);
    }
  }

  Books<void*> slots_;
  Books<Step> steps_;
  std::uint64_t slice_cycles_;
  std::uint64_t n_ = 0;  // replacements in a slice
  std::size_t next_ = 0;
};

inline bool is_large(const ScenarioInfo& info) { return info.kind == Kind::kLargePair || info.kind == Kind::kLargeSet; }

// Of the large kinds.
template <class Source>
std::unique_ptr<Scenario> make_large(const ScenarioInfo& info, bool quick) {
  constexpr std::size_t kQuickShare = 10;  // of the set
  if (info.kind == Kind::kLargeSet) {
    return std::make_unique<LargeSetScenario<Source>>(quick ? info.live / kQuickShare : info.live, quick);
  }
  return std::make_unique<SmallScenario<UntouchedPairs<Source>, Source>>(Source{info.size}, quick);
}

}  // namespace bench
