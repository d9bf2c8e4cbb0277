// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/dpdk_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "bench/dpdk/dpdk_asked.h"
#include "bench/dpdk/dpdk_catalogue.h"
#include "bench/table.h"
#include "bench/verdict.h"

namespace bench {
namespace {

constexpr int kNameWidth = 20;
constexpr int kCellWidth = 13;
constexpr const char* kJudged[] = {kFastmem, kRteFastmem};

void print_cell(const Row& row, const std::string& allocator) {
  const Cell* cell = row.find(allocator);
  if (cell == nullptr || !cell->measured()) {
    const bool failed = cell != nullptr && cell->state == CellState::kFailed;
    std::printf("%*s |", kCellWidth - 2, failed ? "failed" : "-");
    return;
  }
  const double percent = std::min(99.0, std::round(spread(cell->cycles) * 100));
  std::printf("%*s %3.0f%s|", kCellWidth - 6, short_number(median(cell->cycles)).c_str(), percent,
              noisy(row.scenario, *cell) ? "!" : " ");
}

void print_ns(const Row& row, const char* label, std::vector<double> Cell::*values, double ticks_per_ns) {
  std::printf("%-*s", kNameWidth, label);
  for (const std::string& allocator : dpdk_allocators()) {
    const Cell* cell = row.find(allocator);
    const bool measured = cell != nullptr && cell->measured();
    std::printf("%*s     |", kCellWidth - 6,
                measured ? short_number(median(cell->*values) / ticks_per_ns).c_str() : "");
  }
  std::printf("\n");
}

const char* word(Finding::Answer answer) {
  switch (answer) {
    case Finding::Answer::kMet:
      return "met";
    case Finding::Answer::kShort:
      return "SHORT";
    case Finding::Answer::kNotAsked:
      return "";
    default:
      return "?";
  }
}

}  // namespace

void print_dpdk_table(const std::vector<Row>& rows, double ticks_per_ns) {
  std::printf("%-*s", kNameWidth, "");
  for (const std::string& allocator : dpdk_allocators()) std::printf("%*s |", kCellWidth - 2, allocator.c_str());
  std::printf("\n%-*s", kNameWidth, "scenario");
  for (std::size_t i = 0; i < dpdk_allocators().size(); ++i) std::printf("%*s   %% |", kCellWidth - 6, "cycles");
  std::printf("\n");
  for (const Row& row : rows) {
    std::printf("%-*s", kNameWidth, row.scenario.name.c_str());
    for (const std::string& allocator : dpdk_allocators()) print_cell(row, allocator);
    std::printf("\n");
    if (row.scenario.kind != Kind::kFirstAllocation) continue;
    print_ns(row, "  median class, ns", &Cell::cycles, ticks_per_ns);
    print_ns(row, "  slowest class, ns", &Cell::max_cycles, ticks_per_ns);
  }
}

void print_demands(const std::vector<Row>& rows, double ticks_per_ns) {
  std::map<std::string, std::pair<unsigned, unsigned>> met_of_asked;
  std::printf("\n%-40s%8s", "asked of fastmem (its figure / the other's)", "at most");
  for (const char* allocator : kJudged) std::printf("  %14s", allocator);
  std::printf("\n");
  for (const Demand& demand : demands_on(dpdk_demands(), rows)) {
    std::printf("%-43s%8s", demand.text().c_str(), short_number(demand.bound).c_str());
    for (const char* allocator : kJudged) {
      const Finding finding = judge(demand, allocator, rows, ticks_per_ns);
      const bool known = finding.answer == Finding::Answer::kMet || finding.answer == Finding::Answer::kShort;
      std::printf("%8s %-7s", known ? short_number(finding.figure).c_str() : "-", word(finding.answer));
      auto& [met, asked] = met_of_asked[allocator];
      met += finding.answer == Finding::Answer::kMet ? 1 : 0;
      asked += finding.answer != Finding::Answer::kNotAsked ? 1 : 0;
    }
    std::printf("\n");
  }
  for (const char* allocator : kJudged) {
    const auto& [met, asked] = met_of_asked[allocator];
    std::printf("%s does what is asked in %u of %u comparisons.\n", allocator, met, asked);
  }
}

}  // namespace bench
