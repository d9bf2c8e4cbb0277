// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/dpdk_asked.h"

#include "bench/dpdk/dpdk_catalogue.h"

namespace bench {
namespace {

constexpr double kPairOfPool = 0.7;
constexpr double kHandleOfPool = 0.35;
constexpr double kAsThePool = 1.0;
constexpr double kNonEalOfEal = 1.2;
constexpr double kOfRteMalloc = 1.0 / 20;
constexpr double kFirstNs = 20'000;

void add(std::vector<Demand>& all, const ScenarioInfo& scenario) {
  const auto of_pool = [&](double bound) { all.push_back({scenario.name, "", kPool, bound}); };
  switch (scenario.kind) {
    case Kind::kPair:
      of_pool(kPairOfPool);
      all.push_back({scenario.name, "", kRteMalloc, kOfRteMalloc});
      return;
    case Kind::kHandle:
      return of_pool(kHandleOfPool);
    case Kind::kBulk:
    case Kind::kHandleBulk:
    case Kind::kProducerConsumer:
    case Kind::kProducerConsumerBulk:
      return of_pool(kAsThePool);
    case Kind::kLcorePairs:
    case Kind::kLcoreSets:
      if (scenario.threads > 1) of_pool(kAsThePool);
      return;
    case Kind::kNonEalThread:
      all.push_back({scenario.name, "eal-lcore", "", kNonEalOfEal});
      return;
    case Kind::kFirstAllocation:
      all.push_back({scenario.name, "", "", kFirstNs, true});
      return;
    default:
      return;
  }
}

const Cell* find(const std::vector<Row>& rows, const std::string& scenario, const std::string& allocator) {
  for (const Row& row : rows) {
    if (row.scenario.name != scenario) continue;
    const Cell* cell = row.find(allocator);
    return cell != nullptr && cell->measured() ? cell : nullptr;
  }
  return nullptr;
}

}  // namespace

std::string Demand::text() const {
  if (nanoseconds) return scenario + ", slowest ns";
  return scenario + " of " + (of_allocator.empty() ? of_scenario : of_allocator);
}

const std::vector<Demand>& demands() {
  static const std::vector<Demand> all = [] {
    std::vector<Demand> made;
    for (const ScenarioInfo& scenario : dpdk_catalogue()) add(made, scenario);
    return made;
  }();
  return all;
}

Finding judge(const Demand& demand, const std::string& allocator, const std::vector<Row>& rows, double ticks_per_ns) {
  const std::string& other = demand.of_allocator.empty() ? allocator : demand.of_allocator;
  const Cell* ours = find(rows, demand.scenario, allocator);
  const Cell* theirs = find(rows, demand.of_scenario.empty() ? demand.scenario : demand.of_scenario, other);
  if (ours == nullptr || theirs == nullptr) return {};
  const double figure =
      demand.nanoseconds ? median(ours->max_cycles) / ticks_per_ns : median(ours->cycles) / median(theirs->cycles);
  return {figure, figure <= demand.bound ? Finding::Answer::kMet : Finding::Answer::kShort};
}

}  // namespace bench
