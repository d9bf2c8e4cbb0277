// SPDX-License-Identifier: BSD-3-Clause
#include "bench/scale_model/curve.h"

#include <algorithm>
#include <cmath>

namespace bench::scale {
namespace {

constexpr double kSaturated = 0.8;
constexpr const char* kHeldFor[] = {"exchanges", "slabs", "the depot's overflow"};

std::string percent(double part) { return std::to_string(std::lround(part * 100)) + " %"; }

}  // namespace

std::vector<Workload> workloads() {
  return {{.name = "churn, bursts of 1024", .pattern = Pattern::kChurn},
          {.name = "churn, calm between bursts", .pattern = Pattern::kChurn, .calm = 10'000},
          {.name = "pairs, every object crosses", .pattern = Pattern::kPairs, .burst = 128},
          {.name = "remote frees at random", .pattern = Pattern::kRemote, .burst = 512, .scattered = true},
          {.name = "the same, 100 ns of work each",
           .pattern = Pattern::kRemote,
           .burst = 512,
           .scattered = true,
           .app_ns = 100},
          {.name = "random sets, as threads/N", .pattern = Pattern::kSets, .app_ns = 40}};
}

std::vector<unsigned> core_counts() { return {2, 4, 8, 16, 32, 64, 128, 256}; }
std::vector<unsigned> node_counts() { return {1, 2, 4, 8}; }

Curve draw_curve(const Workload& workload, const Costs& costs, std::uint64_t seed) {
  const unsigned least = workload.pattern == Pattern::kPairs ? 2 : 1;
  const double alone = replay(workload, {least, 1}, costs, seed).ns_per_object;
  Curve curve{.workload = workload, .points = {}};
  for (unsigned nodes : node_counts()) {
    for (unsigned cores : core_counts()) {
      if (cores < nodes * 2) continue;
      const Outcome outcome = replay(workload, {cores, nodes}, costs, seed);
      curve.points.push_back({{cores, nodes}, outcome, alone / outcome.ns_per_object});
    }
  }
  return curve;
}

const Point* bend(const Curve& curve, unsigned nodes) {
  const auto found = std::find_if(curve.points.begin(), curve.points.end(),
                                  [&](const Point& p) { return p.shape.nodes == nodes && p.relative < kBent; });
  return found == curve.points.end() ? nullptr : &*found;
}

std::string why(const Outcome& outcome) {
  const bool bin = outcome.bin_busy >= outcome.node_busy;
  const double busiest = std::max(outcome.bin_busy, outcome.node_busy);
  if (busiest < kSaturated) {
    return "lines fetched from other cores take " + percent(outcome.moving) +
           " of the time; no lock is busy more than " + percent(busiest);
  }
  std::string text = std::string(bin ? "the bin's" : "the node's") + " lock is busy " + percent(busiest);
  if (bin) {
    const auto most = std::max_element(outcome.held.begin(), outcome.held.end());
    text += "; its lines move " + percent(outcome.bin_moving) + " of that; held for " +
            std::string(kHeldFor[most - outcome.held.begin()]) + " (" + percent(*most) + ")";
  }
  return text;
}

}  // namespace bench::scale
