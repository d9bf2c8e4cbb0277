// SPDX-License-Identifier: BSD-3-Clause
// bench/json.cc -- Q: how does a program read the results?
#include "bench/json.h"

#include <iomanip>
#include <ostream>

namespace bench {
namespace {

// The names are our own: nothing in them needs escaping.
void write_cell(std::ostream& out, const ScenarioInfo& scenario, const Cell& cell, double ticks_per_ns) {
  const double cycles = median(cell.cycles);
  const auto ns = [&](const std::vector<double>& values) { return median(values) / ticks_per_ns; };
  out << "  {\"scenario\": \"" << scenario.name << "\", \"allocator\": \"" << cell.allocator
      << "\", \"cycles\": " << cycles << ", \"ns\": " << cycles / ticks_per_ns << ", \"rss_kib\": " << cell.peak_kib
      << ", \"runs\": " << cell.cycles.size() << ", \"spread\": " << spread(cell.cycles);
  if (scenario.kind == Kind::kFirstTouch || scenario.kind == Kind::kFirstAllocation) {
    out << ", \"p99_ns\": " << ns(cell.p99_cycles) << ", \"max_ns\": " << ns(cell.max_cycles)
        << ", \"mean_ns\": " << ns(cell.mean_cycles);
  }
  if (!cell.per_core.empty()) out << ", \"per_core\": " << median(cell.per_core);
  if (scenario.kind == Kind::kFootprint) out << ", \"rss_per_live\": " << median(cell.of_memory);
  if (scenario.kind == Kind::kBooks) out << ", \"metadata_percent\": " << median(cell.of_memory);
  if (!cell.backing_per_live.empty()) out << ", \"backing_per_live\": " << median(cell.backing_per_live);
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (const auto n = median_count(cell, i); n) out << ", \"" << kCounterNames[i].key << "\": " << *n;
  }
  out << "}";
}

}  // namespace

void write_json(std::ostream& out, const std::vector<Row>& rows, double ticks_per_ns) {
  out << std::fixed << std::setprecision(4) << "[";
  const char* separator = "\n";
  for (const Row& row : rows) {
    for (const Cell& cell : row.cells) {
      if (!cell.measured()) continue;
      out << separator;
      write_cell(out, row.scenario, cell, ticks_per_ns);
      separator = ",\n";
    }
  }
  out << "\n]\n";
}

}  // namespace bench
