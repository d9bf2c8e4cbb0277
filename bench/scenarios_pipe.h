// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_pipe.h -- Q: what does an object cost that one core allocates and writes, and another reads and
// frees?
#pragma once

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "bench/clock.h"
#include "bench/machine.h"
#include "bench/scenario.h"

namespace bench {

// A ring for one producer and one consumer. Each side keeps a copy of the other's index, so that the shared lines move
// only when the copy says full or empty.
class Ring {
 public:
  bool push(void* p) {
    if (tail_ - head_seen_ == kSlots) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail_ - head_seen_ == kSlots) return false;
    }
    slots_[tail_ % kSlots] = p;
    shared_tail_.store(++tail_, std::memory_order_release);  // publishes the slot; pairs with pop()
    return true;
  }

  bool pop(void*& p) {
    if (next_ == tail_seen_) {
      tail_seen_ = shared_tail_.load(std::memory_order_acquire);
      if (next_ == tail_seen_) return false;
    }
    p = slots_[next_ % kSlots];
    head_.store(++next_, std::memory_order_release);  // gives the slot back; pairs with push()
    return true;
  }

 private:
  static constexpr std::size_t kSlots = 1024;
  static constexpr std::size_t kLine = 128;  // two lines: the neighbour's is prefetched with one's own

  alignas(kLine) std::uint64_t tail_ = 0;  // the producer's own
  std::uint64_t head_seen_ = 0;
  alignas(kLine) std::uint64_t next_ = 0;  // the consumer's own
  std::uint64_t tail_seen_ = 0;
  alignas(kLine) std::atomic<std::uint64_t> shared_tail_{0};  // writer: the producer
  alignas(kLine) std::atomic<std::uint64_t> head_{0};         // writer: the consumer
  alignas(kLine) void* slots_[kSlots] = {};
};

template <class Api>
class PipeScenario final : public Scenario {
 public:
  PipeScenario(const ScenarioInfo& info, const Plan& plan) : size_(info.size), n_(plan.quick ? 300'000 : 1'000'000) {}

  void warm_up() override {
    run();
    run();
  }

  Sample run() override {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::atomic<int> ready{0};
    std::thread consumer([&] {
      pin(cpus_.front());
      meet(ready);
      consume();
      end = ticks();
    });
    std::thread producer([&] {
      pin(cpus_.back());
      meet(ready);
      begin = ticks();
      produce();
    });
    producer.join();
    consumer.join();
    return {.cycles = static_cast<double>(end - begin) / static_cast<double>(n_)};
  }

 private:
  static void meet(std::atomic<int>& ready) {
    ready.fetch_add(1, std::memory_order_acq_rel);
    while (ready.load(std::memory_order_acquire) < 2) std::this_thread::yield();
  }

  // With one CPU for both, waiting must let the other side run.
  void wait() const {
    if (cpus_.size() == 1) {
      std::this_thread::yield();
    } else {
      asm volatile("" ::: "memory");
    }
  }

  void produce() {
    for (std::uint64_t i = 0; i < n_; ++i) {
      void* p = Api::alloc(size_);
      if (p == nullptr) [[unlikely]]
        die("out of memory");
      std::memset(p, static_cast<int>(i), size_);
      while (!ring_.push(p)) wait();
    }
  }

  void consume() {
    for (std::uint64_t i = 0; i < n_; ++i) {
      void* p = nullptr;
      while (!ring_.pop(p)) wait();
      if (!holds(static_cast<const unsigned char*>(p), static_cast<unsigned char>(i))) {
        die("objects do not hold what was written to them");
      }
      Api::free(p);
    }
  }

  // Reads every cache line.
  bool holds(const unsigned char* p, unsigned char value) const {
    unsigned different = 0;
    for (std::size_t at = 0; at < size_; at += 64) different |= p[at] ^ value;
    return different == 0;
  }

  std::size_t size_;
  std::uint64_t n_;
  std::vector<int> cpus_ = all_cpus();
  Ring ring_;
};

}  // namespace bench
