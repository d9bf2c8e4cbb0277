// SPDX-License-Identifier: BSD-3-Clause
// bench/verdict.h -- Q: is fastmem as fast, and as small, as it is asked to be?
#pragma once

#include <optional>
#include <string>

#include "bench/results.h"

namespace bench {

struct Verdict {
  enum class Answer { kNothingAsked, kMet, kShort, kUnknown };

  std::optional<double> figure;    // fastmem's
  std::optional<double> of_glibc;  // fastmem's figure divided by glibc's
  std::optional<double> of_best;   // and by that of the best of the others
  std::string best;                // who that is
  std::string missing;             // others that were not measured, "a, b"
  Answer answer = Answer::kNothingAsked;
};

// kUnknown: fastmem, or everything it would be compared with, was not measured.
Verdict judge(const Row& row);

// How much runs of one thread, or of several, may lie apart before a cell counts as noisy.
bool noisy(const ScenarioInfo& scenario, const Cell& cell);

}  // namespace bench
