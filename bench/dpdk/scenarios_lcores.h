// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/scenarios_lcores.h -- Q: what does an operation cost on each of several lcores at once, and on a thread
// that EAL does not know?
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <numeric>
#include <thread>
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

// The bodies: what one lcore does, n times. Each is used by one lcore only, which begins and ends it, untimed.

template <class Source, bool kWork>
class PairBody {
 public:
  PairBody(Source source, const ScenarioInfo& info, unsigned) : source_(source), steps_(work_steps(info.work)) {}

  void begin() { loop(source_, 1, steps_); }
  std::uint64_t run(std::uint64_t n) { return loop(source_, n, steps_); }
  void end() {}

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

  void begin() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      slots_[slot] = source_.alloc();
      *static_cast<std::uint64_t*>(slots_[slot]) = slot;
    }
  }
  std::uint64_t run(std::uint64_t n) {
    if (loop(source_, slots_.data(), order_.data(), n, steps_) != 0)
      die("objects do not hold what was written to them");
    return n;
  }
  void end() {
    for (void* p : slots_) source_.free(p);
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

// What an operation costs one lcore while the others do the same, in cycles of its own time: the mean of the lcores'.
//
// Own time is what the clock says, less the part of it in which another task had the CPU (see Presence): another
// program, or another lcore, where lcores share CPUs. Throughput per core is its reciprocal, however many take turns
// there: each core is always busy with one of them. What sharing does to an operation is in it: an lcore that was
// preempted finds its CPU's caches in another's hands, and one that waits for a lock whose holder was preempted waits
// in its own time, if it spins. If it sleeps, another has the CPU.
template <class Body>
class LcoresScenario final : public Scenario {
 public:
  template <class Source>
  LcoresScenario(Source source, const ScenarioInfo& info, bool quick) : slice_cycles_(quick ? 1e6 : 5e6) {
    for (unsigned i = 0; i < info.threads; ++i) bodies_.push_back(std::make_unique<Body>(source, info, i));
  }

  void warm_up() override {
    n_ = 2'000;
    for (int round = 0; round < 2; ++round) {  // cold, then warm
      n_ = static_cast<std::uint64_t>(slice_cycles_ / run().cycles) + 1;
    }
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

  // The median slice's, so that an interrupt does not count; where lcores take turns, the mean, because the slices in
  // which one is preempted are what it is about.
  double measure(Body& body) {
    body.begin();
    meet();
    std::array<double, kSlices> slices;
    for (double& slice : slices) {
      const Presence presence;
      const std::uint64_t begin = ticks();
      const std::uint64_t done = body.run(n_);
      const auto took = static_cast<double>(ticks() - begin);
      slice = took * (1 - presence.away()) / static_cast<double>(done);
    }
    body.end();
    if (take_turns()) return std::accumulate(slices.begin(), slices.end(), 0.0) / kSlices;
    std::sort(slices.begin(), slices.end());
    return slices[kSlices / 2];
  }

  bool take_turns() const { return bodies_.size() > all_cpus().size(); }

  // Who waits for lcores of its own CPU lets them run.
  void meet() {
    waiting_.fetch_sub(1, std::memory_order_acq_rel);
    while (waiting_.load(std::memory_order_acquire) > 0) {
      if (take_turns()) std::this_thread::yield();
    }
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
