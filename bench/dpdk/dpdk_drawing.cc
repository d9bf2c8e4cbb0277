// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/dpdk_drawing.h"

#include "bench/dpdk/dpdk_asked.h"
#include "bench/dpdk/dpdk_catalogue.h"
#include "tools/gnuplot.h"

namespace bench {
namespace {

std::optional<double> pool(const Row& row) {
  const Cell* cell = row.find(kPool);
  if (cell == nullptr || !cell->measured()) return std::nullopt;
  return figure(row.scenario, *cell);
}

// Only what is asked against the pool's figure of the same row has a place in it.
std::optional<double> asked_of_pool(const Row& row) {
  for (const Demand& demand : dpdk_demands()) {
    if (demand.scenario == row.scenario.name && demand.of_allocator == kPool && demand.of_scenario.empty())
      return demand.bound;
  }
  return std::nullopt;
}

std::optional<bool> meets_all(const Row& row, const std::vector<Row>& rows, double ticks_per_ns) {
  std::optional<bool> meets;
  for (const Demand& demand : dpdk_demands()) {
    if (demand.scenario != row.scenario.name) continue;
    const std::string& of_whom = demand.only.empty() ? kFastmem : demand.only;
    const Finding::Answer found = judge(demand, of_whom, rows, ticks_per_ns).answer;
    if (found == Finding::Answer::kUnknown) continue;
    meets = meets.value_or(true) && found == Finding::Answer::kMet;
  }
  return meets;
}

}  // namespace

Picture dpdk_picture_of(const std::vector<Row>& rows, double ticks_per_ns) {
  using fastmem::tools::kPalette;
  const Drawing drawing{.series = {{kFastmem, kPalette[0]},
                                   {kRteFastmem, "#f09090"},
                                   {kPoolFastmem, kPalette[2]},
                                   {kRteMalloc, kPalette[1]}},
                        .yardstick = pool,
                        .asked = asked_of_pool,
                        .meets = [&](const Row& row) { return meets_all(row, rows, ticks_per_ns); }};
  Picture picture{.title = "fastmem inside DPDK", .series = drawing.series, .panels = panels(rows, drawing)};
  picture.panels[0].title = "time per object: 1 is rte_mempool with a cache of 512, less is better";
  return picture;
}

}  // namespace bench
