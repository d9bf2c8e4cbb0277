// SPDX-License-Identifier: BSD-3-Clause
// bench/runner.cc -- Q: in which order do the allocators run a scenario?
#include "bench/runner.h"

#include <algorithm>
#include <optional>

#include "bench/machine.h"
#include "bench/message.h"
#include "bench/size_mix.h"

namespace bench {
namespace {

bool all_measured(const Cell& cell) { return cell.state == CellState::kMeasured; }

// A run without its CPU for more than this part is run again, a few times at most.
constexpr double kTolerated = 0.02;
constexpr int kRepetitions = 3;

bool shared(const Reply& reply) { return reply.outcome == Outcome::kDone && reply.away > kTolerated; }

// Live bytes of one allocator, doubled for what it needs beside them.
std::uint64_t wanted_kib(const ScenarioInfo& scenario) {
  const double object =
      scenario.size != 0 ? static_cast<double>(scenario.size) : SizeMix(scenario.mix, scenario.largest).mean();
  return static_cast<std::uint64_t>(2 * object) * scenario.live / 1024;
}

bool fits(const ScenarioInfo& scenario, std::vector<Cell>& cells) {
  const std::uint64_t available = available_memory_kib();
  if (wanted_kib(scenario) <= available) return true;
  for (Cell& cell : cells) {
    if (cell.state != CellState::kMeasured) continue;
    cell.state = CellState::kUnsupported;
    cell.why = std::to_string(wanted_kib(scenario) / 1024) + " MiB wanted, " + std::to_string(available / 1024) +
               " MiB available";
  }
  return false;
}

}  // namespace

Runner::Runner(const Options& options) : options_(options) {
  for (const AllocatorInfo& allocator : allocators()) {
    const auto& asked = options_.allocators;
    if (!asked.empty() && std::find(asked.begin(), asked.end(), allocator.name) == asked.end()) continue;
    entrants_.push_back({.info = &allocator, .located = locate(allocator)});
  }
}

Row Runner::measure(const ScenarioInfo& scenario) {
  Row row{.scenario = scenario, .cells = {}};
  for (const Entrant& entrant : entrants_) {
    Cell cell;
    cell.allocator = entrant.info->name;
    if (!entrant.located.installed) cell.state = CellState::kNotInstalled;
    row.cells.push_back(cell);
  }
  if (!fits(scenario, row.cells)) return row;
  // Where memory is short, the million live objects of each allocator cannot stay until the others have run.
  if (scenario.fresh || wanted_kib(scenario) * entrants_.size() > available_memory_kib()) {
    run_fresh(scenario, row.cells);
  } else {
    run_kept(scenario, row.cells);
  }
  return row;
}

void Runner::run_kept(const ScenarioInfo& scenario, std::vector<Cell>& cells) {
  std::vector<std::optional<Process>> workers(entrants_.size());
  for (std::size_t i = 0; i < entrants_.size(); ++i) {
    if (!all_measured(cells[i])) continue;
    workers[i].emplace(*entrants_[i].info, entrants_[i].located, scenario, options_);
    const Reply warm = workers[i]->ask(Request::kWarmUp);
    if (warm.outcome != Outcome::kDone) note(scenario, warm, cells[i]);
  }
  for (int round = 0; round < rounds(scenario); ++round) {
    for (std::size_t turn = 0; turn < entrants_.size(); ++turn) {
      const std::size_t i = (turn + static_cast<std::size_t>(round)) % entrants_.size();
      if (all_measured(cells[i])) note(scenario, run_undisturbed(scenario, *workers[i]), cells[i]);
    }
  }
}

Reply Runner::run_undisturbed(const ScenarioInfo& scenario, Process& worker) {
  Reply reply = worker.ask(Request::kRun);
  for (int again = 0; again < kRepetitions && scenario.one_thread() && shared(reply); ++again) {
    ++noise_.repeated_runs;
    reply = worker.ask(Request::kRun);
  }
  return reply;
}

int Runner::rounds(const ScenarioInfo& scenario) const {
  const int asked = options_.runs_to_do();
  return scenario.runs_at_most == 0 ? asked : std::min(asked, scenario.runs_at_most);
}

// What the same process holds before the first object, with libc's malloc, less what that keeps without need: every
// allocator is charged what it holds beyond that, what it needs to start included.
double Runner::idle_bytes(const ScenarioInfo& scenario) {
  const AllocatorInfo& libc = *find_allocator(kGlibc);
  Process worker(libc, locate(libc), scenario, options_);
  return worker.ask(Request::kIdle).sample.grown.held;
}

void Runner::run_fresh(const ScenarioInfo& scenario, std::vector<Cell>& cells) {
  const double idle = scenario.kind == Kind::kFootprint ? idle_bytes(scenario) : 0;
  for (int round = 0; round < rounds(scenario); ++round) {
    for (std::size_t turn = 0; turn < entrants_.size(); ++turn) {
      const std::size_t i = (turn + static_cast<std::size_t>(round)) % entrants_.size();
      if (!all_measured(cells[i])) continue;
      Process worker(*entrants_[i].info, entrants_[i].located, scenario, options_);
      Reply reply = worker.ask(Request::kWarmUp);
      if (reply.outcome == Outcome::kDone) reply = worker.ask(Request::kRun);
      reply.sample.grown.held -= idle;
      reply.sample.freed.held -= idle;
      note(scenario, reply, cells[i]);
    }
  }
}

void Runner::note(const ScenarioInfo& scenario, const Reply& reply, Cell& cell) {
  if (reply.outcome != Outcome::kDone) {
    cell.state = reply.outcome == Outcome::kUnsupported ? CellState::kUnsupported : CellState::kFailed;
    cell.why = reply.why;
    return;
  }
  cell.cycles.push_back(reply.sample.cycles);
  cell.p99_cycles.push_back(reply.sample.p99_cycles);
  cell.max_cycles.push_back(reply.sample.max_cycles);
  cell.mean_cycles.push_back(reply.sample.mean_cycles);
  cell.grown.push_back(reply.sample.grown);
  cell.freed.push_back(reply.sample.freed);
  cell.counters.push_back(reply.sample.counters);
  cell.peak_kib = std::max(cell.peak_kib, reply.memory.peak_kib);
  cell.hugetlb_kib = std::max(cell.hugetlb_kib, reply.memory.hugetlb_kib);
  cell.thp_kib = std::max(cell.thp_kib, reply.memory.thp_kib);
  noise_.spins.push_back(reply.spin_before);
  noise_.spins.push_back(reply.spin_after);
  if (scenario.one_thread()) {
    ++noise_.single_runs;
    noise_.shared_runs += shared(reply) ? 1 : 0;
  }
}

}  // namespace bench
