// SPDX-License-Identifier: BSD-3-Clause
#include "bench/call_demands.h"

#include <cstdio>

#include "bench/allocators.h"

namespace bench {
namespace {

constexpr double kCyclesMore = 2;

// The C++ core's row that a row of C functions is set against; "": it is no such row.
std::string core_of(const ScenarioInfo& scenario) {
  const std::string size = "/" + std::to_string(scenario.size);
  switch (scenario.kind) {
    case Kind::kPairC:
      return "pair-called" + size;
    case Kind::kPairPlugin:
      return "plugin-called" + size;
    case Kind::kHandleC:
      return "handle-called" + size;
    default:
      return "";
  }
}

}  // namespace

const std::vector<Demand>& call_demands() {
  static const std::vector<Demand> all = [] {
    std::vector<Demand> made;
    for (const ScenarioInfo& scenario : catalogue()) {
      const std::string core = core_of(scenario);
      if (core.empty() || find_scenario(core) == nullptr) continue;
      made.push_back({scenario.name, core, "", kCyclesMore, Demand::Unit::kCyclesMore, kOurs});
    }
    return made;
  }();
  return all;
}

void print_call_demands(const std::vector<Row>& rows) {
  const std::vector<Demand> asked = demands_on(call_demands(), rows);
  if (asked.empty()) return;
  std::printf("\nfastmem's C functions against the C++ core's, called out of line, at most %.0f cycles more:\n",
              kCyclesMore);
  for (const Demand& demand : asked) {
    const Finding finding = judge(demand, kOurs, rows, 1);
    std::printf("  %-48s", demand.text().c_str());
    if (finding.answer == Finding::Answer::kUnknown) {
      std::printf("     -  ?\n");
    } else {
      std::printf("%+6.2f  %s\n", finding.figure, finding.answer == Finding::Answer::kMet ? "met" : "NO");
    }
  }
}

}  // namespace bench
