// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_larson.h -- Q: what does an operation cost where objects outlive the threads that allocated them?
//
// After P. Larson and M. Krishnan, Memory Allocation for Long-Running Server Applications (ISMM 1998): a thread replaces
// random objects of a set; now and then it ends, and a new thread goes on with the whole set.
#pragma once

#include <atomic>
#include <thread>

#include "bench/random_set.h"
#include "bench/scenario.h"
#include "bench/scenarios_random.h"
#include "bench/team.h"

namespace bench {

template <class Api>
class LarsonScenario final : public Scenario {
 public:
  LarsonScenario(const ScenarioInfo& info, const Plan& plan) : info_(info), quick_(plan.quick) {}

  void warm_up() override { run(); }

  Sample run() override {
    Window window(info_.threads, quick_);
    std::atomic<std::uint64_t> done{0};
    run_threads(info_.threads, [&](unsigned i) {
      take_place(i, info_.threads);  // and all the threads that will have the set with it
      done += hand_down(kSeed + i, window);
    });
    return {.cycles = window.cycles_for(done)};
  }

 private:
  static constexpr std::size_t kChunk = 1000;
  static constexpr std::size_t kSteps = 500 * kChunk;
  static constexpr unsigned kChunksOfLife = 50;  // a fraction of a millisecond to a few

  // The calling thread allocates the first objects; then it only waits for one thread and starts the next. Returns the
  // operations done in the window.
  std::uint64_t hand_down(std::uint64_t seed, Window& window) {
    RandomSet<Api> set(info_.live, kSteps, seed);
    set.fill();
    set.replace();
    window.enter();
    std::uint64_t done = 0;
    while (window.open()) {
      std::thread([&] { done += live(set, window); }).join();
    }
    set.check_read();
    set.drain();
    return done;
  }

  static std::uint64_t live(RandomSet<Api>& set, const Window& window) {
    for (unsigned i = 0; i < kChunksOfLife; ++i) {
      set.replace_next(kChunk);
      if (!window.open()) return i * kChunk;
    }
    return kChunksOfLife * kChunk;
  }

  ScenarioInfo info_;
  bool quick_;
};

}  // namespace bench
