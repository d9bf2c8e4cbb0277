// SPDX-License-Identifier: BSD-3-Clause
// bench/results.h -- Q: what was measured?
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/catalogue.h"
#include "bench/counter_reading.h"
#include "bench/footprint.h"
#include "bench/stats.h"

namespace bench {

enum class CellState { kMeasured, kNotInstalled, kUnsupported, kFailed };

// One scenario with one allocator. Every vector has one entry per run.
struct Cell {
  std::string allocator;
  CellState state = CellState::kMeasured;
  std::string why;  // of kFailed and, where there is one, of kUnsupported
  std::vector<double> cycles;
  std::vector<double> p99_cycles;
  std::vector<double> max_cycles;
  std::vector<double> mean_cycles;
  std::vector<double> of_memory;         // footprint: resident bytes per live byte; its books: per cent of the backing
  std::vector<double> backing_per_live;  // footprint of fastmem
  std::vector<Footprint> grown;
  std::vector<Footprint> freed;
  std::vector<CounterReading> counters;
  std::vector<double> per_core;  // several threads: throughput per CPU they have, as a part of one thread's
  std::uint64_t peak_kib = 0;
  std::uint64_t hugetlb_kib = 0;
  std::uint64_t thp_kib = 0;

  bool measured() const { return state == CellState::kMeasured && !cycles.empty(); }
};

struct Row {
  ScenarioInfo scenario;
  std::vector<Cell> cells;  // in the order of allocators()

  const Cell* find(const std::string& allocator) const {
    for (const Cell& cell : cells) {
      if (cell.allocator == allocator) return &cell;
    }
    return nullptr;
  }
};

// What the scenario is judged by, run by run: a figure of memory, or cycles.
inline const std::vector<double>& figures(const ScenarioInfo& scenario, const Cell& cell) {
  return scenario.judge_memory ? cell.of_memory : cell.cycles;
}
inline double figure(const ScenarioInfo& scenario, const Cell& cell) { return median(figures(scenario, cell)); }

// Of one counter, per operation; nothing where it could not be counted.
inline std::optional<double> median_count(const Cell& cell, std::size_t counter) {
  std::vector<double> counts;
  for (const CounterReading& reading : cell.counters) {
    if (reading.counted(counter)) counts.push_back(reading.count[counter]);
  }
  if (counts.empty()) return std::nullopt;
  return median(counts);
}

// How quiet the machine was.
struct Noise {
  std::vector<double> spins;   // cycles of the same loop, before and after every run
  unsigned single_runs = 0;    // of one thread, pinned
  unsigned shared_runs = 0;    // of these: another task had the CPU for too long
  unsigned repeated_runs = 0;  // run again for that reason; only the repetition counts
};

}  // namespace bench
