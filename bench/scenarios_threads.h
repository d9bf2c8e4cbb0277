// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_threads.h -- Q: what does an operation cost when several threads allocate and free, each its own?
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "bench/clock.h"
#include "bench/machine.h"
#include "bench/random_set.h"
#include "bench/scenario.h"
#include "bench/scenarios_random.h"
#include "bench/team.h"

namespace bench {

// N threads, each with a set of its own, filled and warm before anything counts. More threads than CPUs are preempted
// anywhere, in the allocator too.
template <class Api>
class ThreadsScenario final : public Scenario {
 public:
  ThreadsScenario(const ScenarioInfo& info, const Plan& plan)
      : info_(info), quick_(plan.quick), steps_(kChunk * (plan.quick ? 500 : 2000)) {}

  void warm_up() override { run(); }

  Sample run() override {
    Window window(info_.threads, quick_);
    run_threads(info_.threads, [&](unsigned i) { body(i, window); });
    return {.cycles = window.cycles_per_operation()};
  }

 private:
  static constexpr std::size_t kChunk = 1000;

  void body(unsigned i, Window& window) {
    take_place(i, info_.threads);
    RandomSet<Api> set(info_.live, steps_, kSeed + i);
    set.fill();
    set.replace();
    window.count([&set] {
      set.replace_next(kChunk);
      return kChunk;
    });
    set.check_read();
    set.drain();
  }

  ScenarioInfo info_;
  bool quick_;
  std::size_t steps_;
};

// Many short-lived threads, free to move between CPUs. Everything counts: their start, their first and last objects,
// and what the allocator does when they end.
template <class Api>
class ManyThreadsScenario final : public Scenario {
 public:
  ManyThreadsScenario(const ScenarioInfo& info, const Plan& plan) {
    const std::size_t steps = plan.quick ? 20'000 : 50'000;
    for (unsigned i = 0; i < info.threads; ++i) {
      sets_.push_back(std::make_unique<RandomSet<Api>>(info.live, steps, kSeed + i));
    }
  }

  void warm_up() override {
    pin(all_cpus());
    run();
  }

  Sample run() override {
    std::vector<std::thread> threads;
    threads.reserve(sets_.size());
    const std::uint64_t begin = ticks();
    for (auto& set : sets_) {
      threads.emplace_back([&set] {
        set->fill();
        set->replace();
        set->drain();
      });
    }
    for (std::thread& thread : threads) thread.join();
    const std::uint64_t end = ticks();
    const std::size_t each = sets_.front()->live() + sets_.front()->steps();
    return {.cycles = static_cast<double>(end - begin) / static_cast<double>(sets_.size() * each)};
  }

 private:
  std::vector<std::unique_ptr<RandomSet<Api>>> sets_;
};

}  // namespace bench
