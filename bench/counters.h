// SPDX-License-Identifier: BSD-3-Clause
// bench/counters.h -- Q: what did the processor do meanwhile: instructions, misses of caches and of the TLB?
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "bench/counter_reading.h"

namespace bench {

// Of the thread that made it, in user mode.
class Counters {
 public:
  Counters();
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  void start();
  // Since start(), divided by `operations`. What took turns with other counters is scaled up.
  CounterReading stop(double operations);

 private:
  // What the kernel answers to a read.
  struct Reading {
    std::uint64_t value;
    std::uint64_t enabled;  // ns
    std::uint64_t running;  // of these: really counting
  };
  bool read_event(std::size_t i, Reading& reading) const;

  std::array<int, kCounters> files_{};
  std::array<int, kCounters> errors_{};
  std::array<Reading, kCounters> before_{};
};

}  // namespace bench
