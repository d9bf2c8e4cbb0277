// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_threads.h -- Q: what does an operation cost when several threads allocate and free, each its own?
//
// Per operation: the time from the first thread's begin to the last one's end, divided by the operations of all
// threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "bench/clock.h"
#include "bench/machine.h"
#include "bench/random_set.h"
#include "bench/scenario.h"
#include "bench/scenarios_random.h"

namespace bench {

// N threads, spread evenly over the CPUs and pinned, in step: filled and warm before the time is taken.
template <class Api>
class ThreadsScenario final : public Scenario {
 public:
  ThreadsScenario(const ScenarioInfo& info, const Plan& plan) : info_(info), steps_(plan.quick ? 500'000 : 2'000'000) {}

  void warm_up() override { run(); }

  Sample run() override {
    waiting_ = static_cast<int>(info_.threads);
    std::vector<Span> spans(info_.threads);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < info_.threads; ++i) {
      threads.emplace_back([this, i, &spans] { spans[i] = body(i); });
    }
    for (std::thread& thread : threads) thread.join();
    std::uint64_t begin = UINT64_MAX;
    std::uint64_t end = 0;
    for (const Span& span : spans) {
      begin = std::min(begin, span.begin);
      end = std::max(end, span.end);
    }
    return {.cycles = static_cast<double>(end - begin) / static_cast<double>(steps_ * info_.threads)};
  }

 private:
  struct Span {
    std::uint64_t begin;
    std::uint64_t end;
  };

  Span body(unsigned i) {
    pin(cpus_[i % cpus_.size()]);
    RandomSet<Api> set(info_.live, steps_, kSeed + i);
    set.fill();
    set.replace();
    meet();
    Span span{};
    span.begin = ticks();
    set.replace();
    span.end = ticks();
    set.drain();
    return span;
  }

  // Threads may be more than CPUs: who waits lets the others run.
  void meet() {
    waiting_.fetch_sub(1, std::memory_order_acq_rel);
    while (waiting_.load(std::memory_order_acquire) > 0) std::this_thread::yield();
  }

  ScenarioInfo info_;
  std::size_t steps_;
  std::vector<int> cpus_ = all_cpus();
  std::atomic<int> waiting_{0};  // writers: the threads. Counts those that have not come to meet().
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
