// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/dpdk_asked.h"

#include "bench/dpdk/dpdk_catalogue.h"

namespace bench {
namespace {

constexpr double kPairOfPool = 0.6;  // called, it is set against the pool's inlined get and put
constexpr double kHandleOfPool = 0.3;
constexpr double kAsThePool = 1.0;
constexpr double kFaceCycles = 2;          // what rte_fastmem.h's calls may cost above the C++ core's
constexpr double kOfOneLcore = 1.0 / 0.9;  // nine tenths of its throughput on every core
constexpr double kNonEalOfEal = 1.2;
constexpr double kOfRteMalloc = 1.0 / 20;
constexpr double kAnySizeOfRteMalloc = 1.0 / 10;
constexpr double kFirstNs = 10'000;

std::string family(const std::string& name) { return name.substr(0, name.find('/')); }

void add_lcores(std::vector<Demand>& all, const ScenarioInfo& scenario) {
  if (scenario.threads == 1) return;
  all.push_back({scenario.name, "", kPool, kAsThePool});
  all.push_back({scenario.name, family(scenario.name) + "/1", "", kOfOneLcore});
}

void add(std::vector<Demand>& all, const ScenarioInfo& scenario) {
  const auto of_pool = [&](double bound) { all.push_back({scenario.name, "", kPool, bound}); };
  const auto of_core = [&] {
    all.push_back({scenario.name, "", kFastmem, kFaceCycles, Demand::Unit::kCyclesMore, kRteFastmem});
  };
  switch (scenario.kind) {
    case Kind::kPair:
      of_pool(kPairOfPool);
      all.push_back({scenario.name, "", kRteMalloc, kOfRteMalloc});
      return;
    case Kind::kPairCalled:
      all.push_back({scenario.name, "pair/" + std::to_string(scenario.size), kPool, kPairOfPool});
      return of_core();
    case Kind::kHandleCalled:
      return of_core();
    case Kind::kHandle:
      all.push_back({scenario.name, "", kPool, kHandleOfPool, Demand::Unit::kRatio, kFastmem});
      return;
    case Kind::kBulk:
    case Kind::kHandleBulk:
    case Kind::kProducerConsumer:
    case Kind::kProducerConsumerBulk:
      return of_pool(kAsThePool);
    case Kind::kLcorePairs:
    case Kind::kLcoreSets:
      return add_lcores(all, scenario);
    case Kind::kNonEalThread:
      all.push_back({scenario.name, "eal-lcore", "", kNonEalOfEal});
      return;
    case Kind::kLargePair:
    case Kind::kLargeSet:
      all.push_back({scenario.name, "", kRteMalloc, kAnySizeOfRteMalloc, Demand::Unit::kRatio, kFastmem});
      return;
    case Kind::kFirstAllocation:
      all.push_back({scenario.name, "", "", kFirstNs, Demand::Unit::kNanoseconds});
      return;
    default:
      return;
  }
}

}  // namespace

const std::vector<Demand>& dpdk_demands() {
  static const std::vector<Demand> all = [] {
    std::vector<Demand> made;
    for (const ScenarioInfo& scenario : dpdk_catalogue()) add(made, scenario);
    return made;
  }();
  return all;
}

}  // namespace bench
