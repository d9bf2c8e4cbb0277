// SPDX-License-Identifier: BSD-3-Clause
// bench/verdict.cc -- Q: is fastmem as fast, and as small, as it is asked to be?
#include "bench/verdict.h"

#include <algorithm>

#include "bench/allocators.h"
#include "bench/stats.h"

namespace bench {
namespace {

constexpr double kNoisyOneThread = 0.10;
constexpr double kNoisyThreads = 0.25;

bool within(double ratio, double bound, bool less_than) { return less_than ? ratio < bound : ratio <= bound; }

using Answer = Verdict::Answer;

Answer beside_others(const Asked& asked, const Verdict& verdict) {
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

Answer beside_one_thread(const Asked& asked, const Verdict& verdict) {
  if (!asked.per_core) return Answer::kNothingAsked;
  if (!verdict.per_core) return Answer::kUnknown;
  return *verdict.per_core >= *asked.per_core ? Answer::kMet : Answer::kShort;
}

const Row* find_one_thread(const Row& row, const std::vector<Row>& measured) {
  const auto found = std::find_if(measured.begin(), measured.end(), [&](const Row& other) {
    return other.scenario.kind == row.scenario.kind && other.scenario.threads == 1;
  });
  return found == measured.end() ? nullptr : &*found;
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
  if (ours != nullptr && ours->measured() && !ours->per_core.empty()) verdict.per_core = median(ours->per_core);
  verdict.beside_others = beside_others(row.scenario.asked, verdict);
  verdict.beside_one_thread = beside_one_thread(row.scenario.asked, verdict);
  return verdict;
}

Answer Verdict::answer() const {
  const auto either = [&](Answer a) { return beside_others == a || beside_one_thread == a; };
  if (either(Answer::kShort)) return Answer::kShort;
  if (either(Answer::kUnknown)) return Answer::kUnknown;
  return either(Answer::kMet) ? Answer::kMet : Answer::kNothingAsked;
}

void compare_with_one_thread(Row& row, const std::vector<Row>& measured, std::size_t cpus) {
  const Row* const one_thread = find_one_thread(row, measured);
  if (!row.scenario.asked.per_core || one_thread == nullptr) return;
  const auto in_use = static_cast<double>(std::min<std::size_t>(row.scenario.threads, cpus));
  for (Cell& cell : row.cells) {
    const Cell* const alone = one_thread->find(cell.allocator);
    if (!cell.measured() || alone == nullptr || !alone->measured()) continue;
    for (double cycles : cell.cycles) cell.per_core.push_back(median(alone->cycles) / (cycles * in_use));
  }
}

bool noisy(const ScenarioInfo& scenario, const Cell& cell) {
  return spread(figures(scenario, cell)) > (scenario.one_thread() ? kNoisyOneThread : kNoisyThreads);
}

}  // namespace bench
