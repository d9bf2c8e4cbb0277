// SPDX-License-Identifier: BSD-3-Clause
// bench/runner.h -- Q: in which order do the allocators run a scenario?
#pragma once

#include <vector>

#include "bench/allocators.h"
#include "bench/options.h"
#include "bench/process.h"
#include "bench/results.h"

namespace bench {

// Each allocator warms up; then they take turns, one run each, the first of a round being another every time. Only one
// worker runs at any moment.
class Runner {
 public:
  explicit Runner(const Options& options);

  Row measure(const ScenarioInfo& scenario);

  const Noise& noise() const { return noise_; }

 private:
  struct Entrant {
    const AllocatorInfo* info;
    Located located;
  };

  void run_kept(const ScenarioInfo& scenario, std::vector<Cell>& cells);
  void run_fresh(const ScenarioInfo& scenario, std::vector<Cell>& cells);
  int rounds(const ScenarioInfo& scenario) const;
  double idle_bytes(const ScenarioInfo& scenario);
  Reply run_undisturbed(const ScenarioInfo& scenario, Process& worker);
  void note(const ScenarioInfo& scenario, const Reply& reply, Cell& cell);

  Options options_;
  std::vector<Entrant> entrants_;
  Noise noise_;
};

}  // namespace bench
