// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/samples.h -- Q: how are the times of one rare path spread, and which of them did the scheduler stretch?
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "bench/clock.h"
#include "bench/machine.h"

namespace bench {

// In nanoseconds. Nothing is discarded: every sample counts in all of these but the last.
struct Distribution {
  std::size_t count = 0;
  std::size_t disturbed = 0;  // another task had the CPU meanwhile
  double p50 = 0;
  double p99 = 0;
  double p999 = 0;
  double max = 0;
  double undisturbed_max = 0;
};

// Sorts the samples.
Distribution summarize(std::uint64_t* ticks, std::size_t n, double ticks_per_ns);
Distribution summarize(std::vector<double> ns);

// How often the calling thread had to leave its CPU to another task.
long preemptions();

// One time for each passage of a path.
class Samples {
 public:
  explicit Samples(std::size_t most) : ticks_(most) {}

  // Before the path is set up: from here on it is seen whether another task takes the CPU. Presence would also count
  // what a thread waits for by itself: for a lock, say, which is part of its path.
  void watch() { switches_ = preemptions(); }

  template <class Path>
  void time(Path path) {
    const std::uint64_t before = ticks();
    path();
    add(before, ticks());
  }

  // The slowest undisturbed sample since this was last asked, in nanoseconds.
  double slowest_since() { return static_cast<double>(std::exchange(slowest_since_, 0)) / ticks_per_ns_; }

  bool full() const { return n_ == ticks_.size(); }
  std::size_t count() const { return n_; }
  Distribution distribution() {
    Distribution d = summarize(ticks_.data(), n_, ticks_per_ns_);
    d.disturbed = disturbed_;
    d.undisturbed_max = static_cast<double>(undisturbed_max_) / ticks_per_ns_;
    return d;
  }

 private:
  static constexpr double kSuspiciousNs = 2000;  // a switch to another task and back takes longer

  void add(std::uint64_t before, std::uint64_t after) {
    if (full()) return;
    const std::uint64_t took = after - before - std::min(after - before, overhead_);
    ticks_[n_++] = took;
    if (static_cast<double>(took) > kSuspiciousNs * ticks_per_ns_ && preemptions() != switches_) {
      ++disturbed_;
    } else {
      undisturbed_max_ = std::max(undisturbed_max_, took);
      slowest_since_ = std::max(slowest_since_, took);
    }
  }

  static inline const std::uint64_t overhead_ = ticks_overhead();
  static inline const double ticks_per_ns_ = ticks_per_ns();
  Books<std::uint64_t> ticks_;
  std::size_t n_ = 0;
  std::size_t disturbed_ = 0;
  std::uint64_t undisturbed_max_ = 0;
  std::uint64_t slowest_since_ = 0;
  long switches_ = 0;
};

}  // namespace bench
