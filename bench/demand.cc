// SPDX-License-Identifier: BSD-3-Clause
#include "bench/demand.h"

#include <algorithm>
#include <iterator>

namespace bench {
namespace {

const Cell* find(const std::vector<Row>& rows, const std::string& scenario, const std::string& allocator) {
  for (const Row& row : rows) {
    if (row.scenario.name != scenario) continue;
    const Cell* cell = row.find(allocator);
    return cell != nullptr && cell->measured() ? cell : nullptr;
  }
  return nullptr;
}

double compare(Demand::Unit unit, const Cell& ours, const Cell& theirs, double ticks_per_ns) {
  switch (unit) {
    case Demand::Unit::kCyclesMore:
      return median(ours.cycles) - median(theirs.cycles);
    case Demand::Unit::kNanoseconds:
      return median(ours.max_cycles) / ticks_per_ns;
    default:
      return median(ours.cycles) / median(theirs.cycles);
  }
}

}  // namespace

std::string Demand::text() const {
  if (unit == Unit::kNanoseconds) return scenario + ", slowest ns";
  // "pair/64 of pool/512", "lcores/8 of lcores/1", "pair-called of pool/512's pair/256"
  const std::string other = of_allocator.empty()  ? of_scenario
                            : of_scenario.empty() ? of_allocator
                                                  : of_allocator + "'s " + of_scenario;
  return scenario + (unit == Unit::kCyclesMore ? ", cycles over " : " of ") + other;
}

Finding judge(const Demand& demand, const std::string& allocator, const std::vector<Row>& rows, double ticks_per_ns) {
  if (!demand.only.empty() && demand.only != allocator) return {.answer = Finding::Answer::kNotAsked};
  const std::string& other = demand.of_allocator.empty() ? allocator : demand.of_allocator;
  const Cell* ours = find(rows, demand.scenario, allocator);
  const Cell* theirs = find(rows, demand.of_scenario.empty() ? demand.scenario : demand.of_scenario, other);
  if (ours == nullptr || theirs == nullptr) return {};
  const double figure = compare(demand.unit, *ours, *theirs, ticks_per_ns);
  return {figure, figure <= demand.bound ? Finding::Answer::kMet : Finding::Answer::kShort};
}

std::vector<Demand> demands_on(const std::vector<Demand>& all, const std::vector<Row>& rows) {
  std::vector<Demand> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some), [&](const Demand& demand) {
    return std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row.scenario.name == demand.scenario; });
  });
  return some;
}

}  // namespace bench
