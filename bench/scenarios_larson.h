// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_larson.h -- Q: what does an operation cost where objects outlive the threads that allocated them?
//
// After P. Larson and M. Krishnan, Memory Allocation for Long-Running Server Applications (ISMM 1998): a thread replaces
// random objects of a set; now and then it ends, and a new thread goes on with the whole set.
#pragma once

#include <cstdint>
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
    run_threads(info_.threads, [&](unsigned i) {
      take_place(i, info_.threads);  // and all the threads that will have the set with it
      hand_down(kSeed + i, window);
    });
    return {.cycles = window.cycles_per_operation()};
  }

 private:
  static constexpr std::size_t kChunk = 1000;
  static constexpr std::size_t kSteps = 500 * kChunk;
  static constexpr unsigned kChunksOfLife = 50;  // a fraction of a millisecond to a few

  // The calling thread allocates the first objects; then it only waits for one thread and starts the next.
  void hand_down(std::uint64_t seed, Window& window) {
    RandomSet<Api> set(info_.live, kSteps, seed);
    set.fill();
    set.replace();
    window.enter();
    const OwnTime own;
    std::uint64_t done = 0;
    std::uint64_t queued = 0;
    while (window.open()) {
      std::thread([&] {
        done += live(set, window);
        queued += queued_ns();
      }).join();
    }
    window.add(done, own.cycles(queued));
    set.check_read();
    set.drain();
  }

  static std::uint64_t live(RandomSet<Api>& set, const Window& window) {
    std::uint64_t done = 0;
    for (unsigned i = 0; i < kChunksOfLife && window.open(); ++i) {
      set.replace_next(kChunk);
      done += kChunk;
    }
    return done;
  }

  ScenarioInfo info_;
  bool quick_;
};

}  // namespace bench
