// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/dpdk_asked.h -- Q: is fastmem as fast as a DPDK application may ask?
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/results.h"

namespace bench {

// A figure of one allocator is at most `bound` times another figure.
struct Demand {
  std::string scenario;
  std::string of_scenario;   // "": the same one
  std::string of_allocator;  // "": the allocator itself
  double bound;
  bool nanoseconds = false;  // instead: the slowest operation takes at most `bound` ns

  std::string text() const;  // "pair/64 of pool/512"
};

// In the order of the table.
const std::vector<Demand>& demands();

struct Finding {
  enum class Answer { kMet, kShort, kUnknown };
  double figure = 0;  // what `bound` is compared with
  Answer answer = Answer::kUnknown;
};

// Of the medians. kUnknown: not both were measured.
Finding judge(const Demand& demand, const std::string& allocator, const std::vector<Row>& rows, double ticks_per_ns);

}  // namespace bench
