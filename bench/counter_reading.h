// SPDX-License-Identifier: BSD-3-Clause
// bench/counter_reading.h -- Q: what can be counted while a scenario runs, and what does it mean when it was not?
#pragma once

#include <array>
#include <cstddef>

namespace bench {

struct CounterName {
  const char* text;  // for people
  const char* key;   // for programs
};
inline constexpr std::array kCounterNames = {
    CounterName{"instructions", "instructions"},       CounterName{"dTLB load misses", "dtlb_load_misses"},
    CounterName{"page walks", "page_walks"},           CounterName{"L1D load misses", "l1d_load_misses"},
    CounterName{"LLC load misses", "llc_load_misses"}, CounterName{"page faults", "page_faults"},
};
inline constexpr std::size_t kCounters = kCounterNames.size();

// Of the thread that asked, in user mode, per operation. Plain data: it crosses a socket.
struct CounterReading {
  bool asked = false;  // whether anything was to be counted at all
  std::array<double, kCounters> count{};
  std::array<int, kCounters> error{};  // errno: this one cannot be counted

  bool counted(std::size_t i) const { return asked && error[i] == 0; }
};

// In words.
const char* why_not_counted(int error);

}  // namespace bench
