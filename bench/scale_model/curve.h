// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/curve.h -- Q: how does a core's throughput fall as cores and nodes are added, and why?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/scale_model/replay.h"

namespace bench::scale {

struct Point {
  Shape shape;
  Outcome outcome;
  double relative = 0;  // a core's throughput, of that of one core (kPairs: of one of two)
};

struct Curve {
  Workload workload;
  std::vector<Point> points;  // by nodes, then by cores
};

inline constexpr double kBent = 0.9;  // a core's throughput has fallen below this

// The workloads that the table shows.
std::vector<Workload> workloads();
std::vector<unsigned> core_counts();
std::vector<unsigned> node_counts();

Curve draw_curve(const Workload& workload, const Costs& costs, std::uint64_t seed);

// The first point of so many nodes that lies below kBent; nullptr: none does.
const Point* bend(const Curve& curve, unsigned nodes);
// "the bin's lock is busy 97 % of the time", from what the point's cores wait for.
std::string why(const Outcome& outcome);

}  // namespace bench::scale
