// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/rounds.h -- Q: in which order do allocators of one process run their scenarios?
#pragma once

#include <vector>

#include "bench/results.h"

namespace bench {

struct RoundsPlan {
  int runs;
  bool quick;
};

// Each run goes through all scenarios, in each of them through all allocators, beginning with another one each time.
// Scenarios that want heaps of their own come after the others, whose heaps are gone by then.
std::vector<Row> run_rounds(const std::vector<ScenarioInfo>& scenarios, const RoundsPlan& plan, Noise& noise);

}  // namespace bench
