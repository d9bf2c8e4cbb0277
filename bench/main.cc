// SPDX-License-Identifier: BSD-3-Clause
// bench/main.cc -- Q: how do fastmem's speed and memory compare with those of the general-purpose allocators?
//
// This program is the bench and, started by itself with another malloc preloaded, every worker too:
//   main > Runner > Process ~ worker_main > Scenario > Api (malloc, fastmem)
//        > Table, summary, picture, JSON
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "bench/allocators.h"
#include "bench/catalogue.h"
#include "bench/clock.h"
#include "bench/drawing.h"
#include "bench/footprint_rows.h"
#include "bench/json.h"
#include "bench/machine.h"
#include "bench/options.h"
#include "bench/runner.h"
#include "bench/table.h"
#include "bench/verdict.h"
#include "bench/worker.h"

namespace bench {
namespace {

constexpr int kUsageError = 2;

Suite suite_of(const std::string& allocator) { return allocator == kOurs ? fastmem_suite : malloc_suite; }

void print_preface(const Options& options, double ticks_per_ns) {
  std::printf("%s; time-stamp counter at %.3f GHz; threads pinned, a single one to CPU %d.\n", processor().c_str(),
              ticks_per_ns, all_cpus().back());
  std::printf(
      "Medians of %d %sruns after a warm-up, allocators taking turns: cycles (of the counter) and ns per alloc and "
      "free\n"
      "of one object; of all threads together where there are several. %%: (p90 - p10) / median, ! when too large.\n"
      "At the right: fastmem's figure divided by glibc's and by the best other's; asked: of glibc/of the best, or of "
      "the "
      "best.\n"
      "per core: throughput for each CPU the threads have, as a part of the same allocator's with one thread.\n",
      options.runs_to_do(), options.quick ? "SHORT " : "");
  std::printf(
      "Pages: fastmem asks for '%s' (transparent huge pages: %s; free 2 MiB pages: %llu); the others have their "
      "defaults.\n",
      options.pages.c_str(), transparent_huge_pages().c_str(), static_cast<unsigned long long>(free_hugepages()));
  if (options.runs_to_do() < Options::kVerdictRuns) {
    std::printf("Fewer than %d runs: a first look, not a verdict.\n", Options::kVerdictRuns);
  }
  std::printf("\n");
}

std::vector<std::string> names(const Options& options) {
  if (!options.allocators.empty()) return options.allocators;
  std::vector<std::string> all;
  for (const AllocatorInfo& allocator : allocators()) all.push_back(allocator.name);
  return all;
}

bool any_failed(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    for (const Cell& cell : row.cells) {
      if (cell.state == CellState::kFailed) return true;
    }
  }
  return false;
}

int bench_main(const Options& options) {
  const std::vector<ScenarioInfo> scenarios = select_scenarios(options.filter);
  if (scenarios.empty()) {
    std::fprintf(stderr, "bench: no scenario matches '%s'; --list names them\n", options.filter.c_str());
    return kUsageError;
  }
  if (const std::string wrong = prepare_folder(options.out); !wrong.empty()) {
    std::fprintf(stderr, "bench: %s\n", wrong.c_str());
    return kUsageError;
  }
  std::ofstream json;
  if (!options.json.empty()) {
    json.open(options.json);
    if (!json) {
      std::fprintf(stderr, "bench: cannot write %s\n", options.json.c_str());
      return kUsageError;
    }
  }
  const double frequency = ticks_per_ns();
  Runner runner(options);
  const Table table(names(options), frequency);
  print_preface(options, frequency);
  table.print_head();
  std::vector<Row> rows;
  for (const ScenarioInfo& scenario : scenarios) {
    for (Row& row : rows_of(runner.measure(scenario))) {
      compare_with_one_thread(row, rows, all_cpus().size());
      table.print_row(row);
      rows.push_back(std::move(row));
    }
  }
  table.print_rest(rows);
  print_summary(rows, runner.noise());
  draw(picture_of(rows), options.out, "bench");
  if (json.is_open()) write_json(json, rows, frequency);
  return any_failed(rows) ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  if (is_worker(argc, argv)) return worker_main(argc, argv, suite_of);
  Options options;
  if (const std::string wrong = parse(argc, argv, options); !wrong.empty()) {
    std::fprintf(stderr, "bench: %s\n%s", wrong.c_str(), kUsage);
    return kUsageError;
  }
  if (options.help) {
    std::fputs(kUsage, stdout);
    return EXIT_SUCCESS;
  }
  if (options.list) {
    for (const ScenarioInfo& scenario : select_scenarios(options.filter)) std::printf("%s\n", scenario.name.c_str());
    return EXIT_SUCCESS;
  }
  return bench_main(options);
}
