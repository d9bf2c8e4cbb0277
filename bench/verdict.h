// SPDX-License-Identifier: BSD-3-Clause
// bench/verdict.h -- Q: is fastmem as fast, and as small, as it is asked to be?
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bench/results.h"

namespace bench {

struct Verdict {
  enum class Answer { kNothingAsked, kMet, kShort, kUnknown };

  std::optional<double> figure;    // fastmem's
  std::optional<double> of_glibc;  // fastmem's figure divided by glibc's
  std::optional<double> of_best;   // and by that of the best of the others
  std::string best;                // who that is
  std::string missing;             // others that were not measured, "a, b"
  std::optional<double> per_core;  // fastmem's throughput per CPU, as a part of its own with one thread
  Answer beside_others = Answer::kNothingAsked;
  Answer beside_one_thread = Answer::kNothingAsked;

  Answer answer() const;  // of both
};

// kUnknown: fastmem, or everything it would be compared with, was not measured.
Verdict judge(const Row& row);

// Fills in per_core of several threads' cells. Among the rows measured is that of one thread, or nothing is known.
void compare_with_one_thread(Row& row, const std::vector<Row>& measured, std::size_t cpus);

// How much runs of one thread, or of several, may lie apart before a cell counts as noisy.
bool noisy(const ScenarioInfo& scenario, const Cell& cell);

}  // namespace bench
