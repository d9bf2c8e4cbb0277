// SPDX-License-Identifier: BSD-3-Clause
// bench/verdict.cc -- Q: is fastmem as fast, and as small, as it is asked to be?
#include "bench/verdict.h"

#include "bench/allocators.h"
#include "bench/stats.h"

namespace bench {
namespace {

constexpr double kNoisyOneThread = 0.10;
constexpr double kNoisyThreads = 0.25;

bool within(double ratio, double bound, bool less_than) { return less_than ? ratio < bound : ratio <= bound; }

Verdict::Answer answer(const Asked& asked, const Verdict& verdict) {
  using Answer = Verdict::Answer;
  if (asked.at_most) {
    if (!verdict.figure) return Answer::kUnknown;
    return *verdict.figure <= *asked.at_most ? Answer::kMet : Answer::kShort;
  }
  if (!asked.of_glibc && !asked.of_best) return Answer::kNothingAsked;
  if (asked.of_glibc && !verdict.of_glibc) return Answer::kUnknown;
  if (asked.of_best && !verdict.of_best) return Answer::kUnknown;
  const bool glibc_met = !asked.of_glibc || within(*verdict.of_glibc, *asked.of_glibc, asked.less_than);
  const bool best_met = !asked.of_best || within(*verdict.of_best, *asked.of_best, asked.less_than);
  return glibc_met && best_met ? Answer::kMet : Answer::kShort;
}

}  // namespace

Verdict judge(const Row& row) {
  Verdict verdict;
  const Cell* ours = row.find(kOurs);
  if (ours != nullptr && ours->measured()) verdict.figure = figure(row.scenario, *ours);
  for (const AllocatorInfo& allocator : allocators()) {
    if (!allocator.judged) continue;
    const Cell* other = row.find(allocator.name);
    if (other == nullptr || !other->measured()) {
      verdict.missing += (verdict.missing.empty() ? "" : ", ") + allocator.name;
      continue;
    }
    if (!verdict.figure) continue;
    const double ratio = *verdict.figure / figure(row.scenario, *other);
    if (allocator.name == kGlibc) {
      verdict.of_glibc = ratio;
      if (row.scenario.asked.glibc_apart) continue;
    }
    if (!verdict.of_best || ratio > *verdict.of_best) {
      verdict.of_best = ratio;
      verdict.best = allocator.name;
    }
  }
  verdict.answer = answer(row.scenario.asked, verdict);
  return verdict;
}

bool noisy(const ScenarioInfo& scenario, const Cell& cell) {
  return spread(figures(scenario, cell)) > (scenario.one_thread() ? kNoisyOneThread : kNoisyThreads);
}

}  // namespace bench
