// SPDX-License-Identifier: BSD-3-Clause
// bench/team.h -- Q: how do the threads of a scenario begin together, where do they run, and what does each of them
// need?
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "bench/clock.h"
#include "bench/machine.h"

namespace bench {

// f(0) .. f(n - 1), each on a thread of its own; returns when all have.
template <class F>
void run_threads(unsigned n, F f) {
  std::vector<std::thread> threads;
  threads.reserve(n);
  for (unsigned i = 0; i < n; ++i) threads.emplace_back([i, &f] { f(i); });
  for (std::thread& thread : threads) thread.join();
}

inline bool more_than_cpus(unsigned threads) { return threads > all_cpus().size(); }

// Thread i of n: a CPU of its own. Where there are too few, the kernel moves and preempts it as any other thread.
inline void take_place(unsigned i, unsigned n) {
  if (more_than_cpus(n)) {
    pin(all_cpus());
  } else {
    pin(all_cpus()[i]);
  }
}

// Of one thread that finds nothing to do. With a CPU for each it looks again for a while, since what it waits for is on
// its way, unless another task has that CPU; otherwise it lets others run at once.
class Patience {
 public:
  explicit Patience(unsigned threads) : looks_(more_than_cpus(threads) ? 1 : kLooks) {}
  void wait() {
    if (++looked_ % looks_ == 0) {
      std::this_thread::yield();
    } else {
      asm volatile("" ::: "memory");
    }
  }

 private:
  static constexpr unsigned kLooks = 1024;

  unsigned looks_;
  unsigned looked_ = 0;
};

// Threads wait here until all have come. Who waits lets the others run.
class Gate {
 public:
  explicit Gate(unsigned threads) : waiting_(threads) {}

  void enter() {
    if (waiting_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      opened_.store(ticks(), std::memory_order_release);  // pairs with the load below
      return;
    }
    while (opened_.load(std::memory_order_acquire) == 0) std::this_thread::yield();
  }

  // When the last one came. To be asked by who has been through.
  std::uint64_t opened() const { return opened_.load(std::memory_order_acquire); }

 private:
  std::atomic<unsigned> waiting_;
  std::atomic<std::uint64_t> opened_{0};  // writer: the last to come
};

// What a thread needed since this was made, in cycles. The time that others had its CPU, be it threads of the same
// scenario or strangers, does not count; the time it slept does.
class OwnTime {
 public:
  // elsewhere: nanoseconds that threads it waited for were queued, which do not count either.
  double cycles(std::uint64_t elsewhere = 0) const {
    const auto queued = static_cast<double>(queued_ns() - queued_ + elsewhere);
    const std::chrono::duration<double, std::nano> wall = std::chrono::steady_clock::now() - wall_;
    return static_cast<double>(ticks() - begin_) * (1 - std::min(1.0, queued / wall.count()));
  }

 private:
  std::uint64_t queued_ = queued_ns();
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  std::uint64_t begin_ = ticks();
};

// A stretch of time, begun by all threads together, in which each does what it can. By their own times and operations
// it does not matter how the kernel shares the CPUs out, nor who comes late or ends early.
class Window {
 public:
  Window(unsigned threads, bool quick)
      : gate_(threads),
        length_(quick ? kQuick : kFull),
        cpus_(static_cast<double>(std::min<std::size_t>(threads, all_cpus().size()))) {}

  void enter() { gate_.enter(); }
  bool open() const { return ticks() - gate_.opened() < length_; }

  // A thread's part. chunk() does some operations and says how many.
  template <class Chunk>
  void count(Chunk chunk) {
    enter();
    const OwnTime own;
    std::uint64_t done = 0;
    do {
      done += chunk();
    } while (open());
    add(done, own.cycles());
  }
  void add(std::uint64_t operations, double own_cycles) {
    const std::lock_guard lock(mutex_);
    operations_ += operations;
    own_cycles_ += own_cycles;
  }

  // The rest when all threads have ended.
  std::uint64_t operations() const { return operations_; }
  // Of all threads together, who had as many CPUs as they are, or all there are.
  double cycles_per_operation() const { return own_cycles_ / static_cast<double>(operations_) / cpus_; }

 private:
  // Many of the kernel's time slices, for each of as many threads as there are in any scenario.
  static constexpr std::uint64_t kFull = 400'000'000;
  static constexpr std::uint64_t kQuick = 100'000'000;

  Gate gate_;
  std::uint64_t length_;
  double cpus_;
  std::mutex mutex_;
  std::uint64_t operations_ = 0;
  double own_cycles_ = 0;
};

}  // namespace bench
