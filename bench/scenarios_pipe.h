// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_pipe.h -- Q: what does an object cost that some threads allocate and write, and others read and free?
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "bench/clock.h"
#include "bench/machine.h"
#include "bench/parcel.h"
#include "bench/ring.h"
#include "bench/scenario.h"
#include "bench/team.h"

namespace bench {

// A run's objects: of all threads together.
inline std::uint64_t pipe_objects(bool quick) { return quick ? 300'000 : 1'000'000; }

// From every producer to every consumer there is a ring. Both take the next one that has room, or something in it.
// Producers and consumers share no CPU if there are two.
template <class Api, std::size_t kObjects>
class PipeScenario final : public Scenario {
 public:
  PipeScenario(const ScenarioInfo& info, const Plan& plan)
      : size_(info.size),
        producers_(info.producers),
        consumers_(info.threads - info.producers),
        parcels_each_(pipe_objects(plan.quick) / producers_ / kObjects),
        rings_(std::size_t{producers_} * consumers_) {}

  void warm_up() override {
    run();
    run();
  }

  Sample run() override {
    Gate gate(producers_ + consumers_);
    std::vector<std::uint64_t> ends(consumers_);
    std::atomic<std::uint64_t> received{0};
    producing_ = producers_;
    run_threads(producers_ + consumers_, [&](unsigned i) {
      pin(cpu_of(i));
      gate.enter();
      if (i < producers_) return produce(i);
      received += consume(i - producers_);
      ends[i - producers_] = ticks();
    });
    const std::uint64_t sent = parcels_each_ * producers_;
    if (received != sent) die("objects were lost");
    const std::uint64_t end = *std::max_element(ends.begin(), ends.end());
    return {.cycles = static_cast<double>(end - gate.opened()) / static_cast<double>(sent * kObjects)};
  }

 private:
  using Load = Parcel<Api, kObjects>;

  // Each kind gets its part of the CPUs: the producers the last ones.
  int cpu_of(unsigned i) const {
    const std::vector<int>& cpus = all_cpus();
    const std::size_t last = cpus.size() - 1;
    const std::size_t share = cpus.size() * producers_ / (producers_ + consumers_);
    const std::size_t for_producers = std::max<std::size_t>(1, std::min(share, last));
    const std::size_t for_consumers = std::max<std::size_t>(1, cpus.size() - for_producers);
    return i < producers_ ? cpus[last - i % for_producers] : cpus[(i - producers_) % for_consumers];
  }

  [[gnu::noinline]] void produce(unsigned producer) {
    Ring* const rings = &rings_[std::size_t{producer} * consumers_];
    Patience patience(producers_ + consumers_);
    unsigned consumer = 0;
    for (std::uint64_t i = 0; i < parcels_each_; ++i) {
      for (unsigned full = 0; !rings[consumer].has_room(kObjects); ++full) {
        if (++consumer == consumers_) consumer = 0;
        if (full % consumers_ == consumers_ - 1) patience.wait();
      }
      Load::send(rings[consumer], size_);
      if (++consumer == consumers_) consumer = 0;
    }
    producing_.fetch_sub(1, std::memory_order_release);  // after the last push; pairs with consume()
  }

  // Returns the parcels received.
  [[gnu::noinline]] std::uint64_t consume(unsigned consumer) {
    Patience patience(producers_ + consumers_);
    std::uint64_t received = 0;
    for (bool last_look = false;;) {
      unsigned found = 0;
      for (unsigned producer = 0; producer < producers_; ++producer) {
        found += Load::receive(rings_[std::size_t{producer} * consumers_ + consumer], size_) ? 1 : 0;
      }
      received += found;
      if (found > 0) continue;
      if (last_look) return received;
      last_look = producing_.load(std::memory_order_acquire) == 0;
      patience.wait();
    }
  }

  std::size_t size_;
  unsigned producers_;
  unsigned consumers_;
  std::uint64_t parcels_each_;          // of a producer
  std::vector<Ring> rings_;             // of producer p to consumer c: p * consumers_ + c
  std::atomic<unsigned> producing_{0};  // writers: the producers. Counts those that will send more.
};

// Threads in a circle: each frees what the one before it allocated, and hands new objects on to the next.
template <class Api, std::size_t kObjects>
class CircleScenario final : public Scenario {
 public:
  CircleScenario(const ScenarioInfo& info, const Plan& plan)
      : size_(info.size), parcels_each_(pipe_objects(plan.quick) / info.threads / kObjects), rings_(info.threads) {}

  // Half of every ring is filled, and stays so from run to run: then no circle of threads can wait for each other.
  void warm_up() override {
    for (Ring& ring : rings_) {
      for (std::size_t i = 0; i < Ring::kSlots / 2; i += kObjects) Load::send(ring, size_);
    }
    run();
    run();
  }

  Sample run() override {
    const auto threads = static_cast<unsigned>(rings_.size());
    const std::vector<int>& cpus = all_cpus();
    Gate gate(threads);
    std::vector<std::uint64_t> ends(threads);
    run_threads(threads, [&](unsigned i) {
      pin(cpus[i % cpus.size()]);
      gate.enter();
      pass_on(rings_[i], rings_[(i + 1) % threads]);
      ends[i] = ticks();
    });
    const std::uint64_t end = *std::max_element(ends.begin(), ends.end());
    return {.cycles =
                static_cast<double>(end - gate.opened()) / static_cast<double>(parcels_each_ * kObjects * threads)};
  }

 private:
  using Load = Parcel<Api, kObjects>;

  [[gnu::noinline]] void pass_on(Ring& in, Ring& out) {
    Patience patience(static_cast<unsigned>(rings_.size()));
    for (std::uint64_t i = 0; i < parcels_each_; ++i) {
      while (!Load::receive(in, size_)) patience.wait();
      while (!out.has_room(kObjects)) patience.wait();
      Load::send(out, size_);
    }
  }

  std::size_t size_;
  std::uint64_t parcels_each_;  // of a thread
  std::vector<Ring> rings_;     // into thread i
};

}  // namespace bench
