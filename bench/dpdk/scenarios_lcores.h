// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/scenarios_lcores.h -- Q: what does an operation cost on each of several lcores at once, and on a thread
// that EAL does not know?
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "bench/clock.h"
#include "bench/dpdk/lcores.h"
#include "bench/machine.h"
#include "bench/random_set.h"
#include "bench/scenarios_random.h"
#include "bench/scenarios_small.h"

namespace bench {

// What an application does besides: dependent multiplications.
inline void work(unsigned steps) {
  std::uint64_t x = steps;
  for (unsigned i = 0; i < steps; ++i) {
    x *= 0x9e3779b97f4a7c15u;
    asm volatile("" : "+r"(x));
  }
}

inline unsigned work_steps(unsigned cycles) {
  constexpr double kSpinSteps = 40'000;  // of spin()
  return cycles == 0 ? 0 : static_cast<unsigned>(cycles / std::min({spin(), spin(), spin()}) * kSpinSteps);
}

// The bodies: what one lcore does, n times. Each is used by one lcore only.

template <class Source, bool kWork>
class PairBody {
 public:
  PairBody(Source source, const ScenarioInfo& info, unsigned) : source_(source), steps_(work_steps(info.work)) {}

  std::uint64_t run(std::uint64_t n) { return loop(source_, n, steps_); }

 private:
  [[gnu::noinline]] static std::uint64_t loop(Source source, std::uint64_t n, unsigned steps) {
    for (std::uint64_t i = 0; i < n; ++i) {
      if (kWork) work(steps);
      void* p = source.alloc();
      *static_cast<std::uint64_t*>(p) = i;
      use(p);
      source.free(p);
    }
    return n;
  }

  Source source_;
  unsigned steps_;
};

// Replaces random objects of many. Each one's first word is its slot's number, read back before it is freed.
template <class Source, bool kWork>
class SetBody {
 public:
  SetBody(Source source, const ScenarioInfo& info, unsigned lcore)
      : source_(source), steps_(work_steps(info.work)), slots_(info.live), order_(kOrder) {
    Random random(kSeed + lcore);
    for (std::uint32_t& slot : order_) slot = random.below(static_cast<std::uint32_t>(info.live));
  }
  ~SetBody() {
    for (void* p : slots_) {
      if (p != nullptr) source_.free(p);
    }
  }

  std::uint64_t run(std::uint64_t n) {
    for (std::size_t i = 0; slots_[0] == nullptr && i < slots_.size(); ++i) {
      const std::size_t slot = slots_.size() - 1 - i;
      slots_[slot] = source_.alloc();
      *static_cast<std::uint64_t*>(slots_[slot]) = slot;
    }
    if (loop(source_, slots_.data(), order_.data(), n, steps_) != 0)
      die("objects do not hold what was written to them");
    return n;
  }

 private:
  static constexpr std::size_t kOrder = 1 << 14;  // little of the cache, too many to be learnt

  [[gnu::noinline]] static std::uint64_t loop(Source source, void** slots, const std::uint32_t* order, std::uint64_t n,
                                              unsigned steps) {
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      if (kWork) work(steps);
      const std::uint64_t number = order[i % kOrder];
      void*& slot = slots[number];
      wrong |= *static_cast<const std::uint64_t*>(slot) ^ number;
      source.free(slot);
      slot = source.alloc();
      *static_cast<std::uint64_t*>(slot) = number;
    }
    return wrong;
  }

  Source source_;
  unsigned steps_;
  Books<void*> slots_;
  Books<std::uint32_t> order_;
};

// Cycles of one lcore per operation, while the others do the same: the mean of the lcores' medians. What another task
// takes of a CPU does not count; waiting for another lcore does.
template <class Body>
class LcoresScenario final : public Scenario {
 public:
  template <class Source>
  LcoresScenario(Source source, const ScenarioInfo& info, bool quick) : slice_cycles_(quick ? 1e6 : 5e6) {
    for (unsigned i = 0; i < info.threads; ++i) bodies_.push_back(std::make_unique<Body>(source, info, i));
  }

  void warm_up() override {
    n_ = 20'000;
    n_ = static_cast<std::uint64_t>(slice_cycles_ / run().cycles) + 1;
  }

  Sample run() override {
    const auto n = static_cast<unsigned>(bodies_.size());
    std::vector<double> cycles(n);
    waiting_ = static_cast<int>(n);
    on_lcores(n, [&](unsigned i) { cycles[i] = measure(*bodies_[i]); });
    double sum = 0;
    for (double c : cycles) sum += c;
    return {.cycles = sum / n};
  }

 private:
  static constexpr std::size_t kSlices = 9;

  double measure(Body& body) {
    body.run(1);
    waiting_.fetch_sub(1, std::memory_order_acq_rel);
    while (waiting_.load(std::memory_order_acquire) > 0) asm volatile("" ::: "memory");
    std::array<double, kSlices> slices;
    for (double& slice : slices) {
      const Presence presence;
      const std::uint64_t begin = ticks();
      const std::uint64_t done = body.run(n_);
      const auto took = static_cast<double>(ticks() - begin);
      slice = took * (1 - presence.away()) / static_cast<double>(done);
    }
    std::sort(slices.begin(), slices.end());
    return slices[kSlices / 2];
  }

  double slice_cycles_;
  std::uint64_t n_ = 0;  // operations of a lcore in a slice
  std::vector<std::unique_ptr<Body>> bodies_;
  std::atomic<int> waiting_{0};  // writers: the lcores. Counts those that are not ready
};

// A scenario somewhere else than on the main lcore.
class ElsewhereScenario final : public Scenario {
 public:
  using Where = void (*)(const std::function<void()>&);
  ElsewhereScenario(Where where, std::unique_ptr<Scenario> what) : where_(where), what_(std::move(what)) {}

  void warm_up() override {
    where_([this] { what_->warm_up(); });
  }
  Sample run() override {
    Sample sample;
    where_([&] { sample = what_->run(); });
    return sample;
  }

 private:
  Where where_;
  std::unique_ptr<Scenario> what_;
};

}  // namespace bench
