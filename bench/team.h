// SPDX-License-Identifier: BSD-3-Clause
// bench/team.h -- Q: how do the threads of a scenario begin together, where do they run, and which of their operations
// count?
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
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

// Counts what threads do in one stretch of time, in all of which each of them has work: no CPU idles or tidies up while
// others are late, however the kernel shares the CPUs out.
class Window {
 public:
  Window(unsigned threads, bool quick) : gate_(threads), length_(quick ? kQuick : kFull) {}

  void enter() { gate_.enter(); }
  bool open() const { return ticks() - gate_.opened() < length_; }

  // Enters, repeats chunk() until the window closes, and returns how many operations, its results, were done by then.
  template <class Chunk>
  std::uint64_t count(Chunk chunk) {
    enter();
    std::uint64_t done = 0;
    for (;;) {
      const std::uint64_t more = chunk();
      if (!open()) return done;
      done += more;
    }
  }

  // Cycles per operation of all threads together.
  double cycles_for(std::uint64_t operations) const {
    return static_cast<double>(length_) / static_cast<double>(operations);
  }

 private:
  // Many of the kernel's time slices, for each of as many threads as there are in any scenario.
  static constexpr std::uint64_t kFull = 400'000'000;
  static constexpr std::uint64_t kQuick = 100'000'000;

  Gate gate_;
  std::uint64_t length_;
};

}  // namespace bench
