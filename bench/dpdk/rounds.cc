// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/rounds.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "bench/dpdk/dpdk_catalogue.h"
#include "bench/dpdk/pools.h"
#include "bench/dpdk/suites.h"
#include "bench/machine.h"

namespace bench {
namespace {

constexpr double kTolerated = 0.02;  // part of a run in which another task may have the main lcore's CPU
constexpr int kRepetitions = 3;

// In the order of dpdk_allocators().
std::vector<Contestant> contestants() {
  const auto here = [] { return ""; };
  std::vector<Contestant> all{{kFastmem, here, dpdk_fastmem_suite}, {kRteFastmem, here, rte_fastmem_suite}};
  all.insert(all.end(), std::begin(kPoolContestants), std::end(kPoolContestants));
  all.push_back({kRteMalloc, here, rte_malloc_suite});
  return all;
}

// One row of the table while it is being measured.
struct Stand {
  Row row;
  std::vector<std::unique_ptr<Scenario>> scenarios;  // one per cell; nullptr: nothing to measure
};

Stand make_stand(const ScenarioInfo& info, bool quick) {
  Stand stand{.row = {.scenario = info, .cells = {}}, .scenarios = {}};
  const Plan plan{.setup = {.size = info.size, .threads = info.threads}, .quick = quick};
  for (const Contestant& contestant : contestants()) {
    Cell cell;
    cell.allocator = contestant.name;
    std::unique_ptr<Scenario> scenario;
    cell.why = contestant.why_absent();
    if (cell.why.empty()) scenario = contestant.suite(info, plan);
    if (scenario != nullptr) {
      scenario->warm_up();
    } else {
      cell.state = cell.why.empty() ? CellState::kUnsupported : CellState::kNotInstalled;
    }
    stand.row.cells.push_back(cell);
    stand.scenarios.push_back(std::move(scenario));
  }
  return stand;
}

// On the main lcore alone: whether it had its CPU can be told.
bool alone(const ScenarioInfo& info) {
  return info.one_thread() && info.kind != Kind::kEalLcore && info.kind != Kind::kNonEalThread;
}

Sample run_undisturbed(const ScenarioInfo& info, Scenario& scenario, Noise& noise) {
  noise.spins.push_back(spin());
  Sample sample;
  bool shared = true;
  for (int again = 0; shared && again <= kRepetitions; ++again) {
    const Presence presence;
    sample = scenario.run();
    shared = alone(info) && presence.away() > kTolerated;
    noise.repeated_runs += again > 0 ? 1 : 0;
  }
  noise.spins.push_back(spin());
  noise.single_runs += alone(info) ? 1 : 0;
  noise.shared_runs += shared ? 1 : 0;
  return sample;
}

void run_once(Stand& stand, int round, Noise& noise) {
  const std::size_t n = stand.scenarios.size();
  for (std::size_t turn = 0; turn < n; ++turn) {
    const std::size_t i = (turn + static_cast<std::size_t>(round)) % n;
    if (stand.scenarios[i] == nullptr) continue;
    const Sample sample = run_undisturbed(stand.row.scenario, *stand.scenarios[i], noise);
    Cell& cell = stand.row.cells[i];
    cell.cycles.push_back(sample.cycles);
    cell.p99_cycles.push_back(sample.p99_cycles);
    cell.max_cycles.push_back(sample.max_cycles);
    cell.mean_cycles.push_back(sample.mean_cycles);
  }
}

// On a terminal only; the table's head writes over it.
void show_progress(int run, int runs, bool fresh) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "run %d of %d%s \r", run, runs, fresh ? ", fresh heaps" : "");
}

// Rows in the order of `scenarios`, of those that are fresh or of those that are not.
std::vector<Row> run_some(const std::vector<ScenarioInfo>& scenarios, bool fresh, const RoundsPlan& plan,
                          Noise& noise) {
  std::vector<Stand> stands;
  for (const ScenarioInfo& info : scenarios) {
    if (info.fresh == fresh) stands.push_back(make_stand(info, plan.quick));
  }
  for (int round = 0; round < plan.runs; ++round) {
    show_progress(round + 1, plan.runs, fresh);
    for (Stand& stand : stands) run_once(stand, round, noise);
  }
  std::vector<Row> rows;
  for (Stand& stand : stands) rows.push_back(std::move(stand.row));
  return rows;
}

}  // namespace

std::vector<Row> run_rounds(const std::vector<ScenarioInfo>& scenarios, const RoundsPlan& plan, Noise& noise) {
  const Family families[] = {kFastmemFamily, kRteFastmemFamily};
  for (const Family& family : families) family.start();
  std::vector<Row> rows = run_some(scenarios, false, plan, noise);
  for (const Family& family : families) family.stop();
  free_pools();
  std::vector<Row> fresh = run_some(scenarios, true, plan, noise);
  rows.insert(rows.end(), std::make_move_iterator(fresh.begin()), std::make_move_iterator(fresh.end()));
  return rows;
}

}  // namespace bench
