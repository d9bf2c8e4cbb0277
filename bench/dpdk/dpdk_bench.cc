// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/dpdk_bench.cc -- Q: how does fastmem compare with rte_mempool and rte_malloc inside a DPDK application?
//
//   main > start_eal > run_rounds > Scenario > Source (fastmem, rte_fastmem.h, rte_mempool, rte_malloc)
//        > table, demands, picture, JSON
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "bench/clock.h"
#include "bench/dpdk/dpdk_catalogue.h"
#include "bench/dpdk/dpdk_drawing.h"
#include "bench/dpdk/dpdk_table.h"
#include "bench/dpdk/eal.h"
#include "bench/dpdk/lcores.h"
#include "bench/dpdk/rounds.h"
#include "bench/json.h"
#include "bench/machine.h"
#include "bench/table.h"

namespace bench {
namespace {

constexpr int kUsageError = 2;
constexpr int kFullRuns = 11;
constexpr int kQuickRuns = 3;
constexpr const char* kUsage =
    R"(Usage: dpdk_bench [--quick] [--runs N] [--no-huge] [--json FILE] [--out DIR] [--list] [FILTER]

Compares fastmem with rte_mempool and rte_malloc, interleaved, in one process inside EAL.

  FILTER       only scenarios whose name contains it, or matches it as a regular expression
  --quick      3 short runs each instead of 11: for a first look, not for a verdict
  --runs N     that many runs each
  --no-huge    not on hugepages (nor without this when too few of them are free)
  --json FILE  also write {scenario, allocator, cycles, ns, runs, ...} per measurement
  --out DIR    where bench-dpdk.svg and bench-dpdk.png go, the table as a picture: here, unless told otherwise
  --list       print the names of the scenarios
)";

struct Options {
  bool quick = false;
  bool no_huge = false;
  bool list = false;
  bool help = false;
  int runs = 0;
  std::string json;
  std::string out = ".";  // the folder of the picture
  std::string filter;

  int runs_to_do() const { return runs > 0 ? runs : quick ? kQuickRuns : kFullRuns; }
};

std::string parse_with_value(const std::string& option, const std::string& value, Options& options) {
  if (option == "--json") {
    options.json = value;
    return "";
  }
  if (option == "--out") {
    options.out = value;
    return "";
  }
  options.runs = std::atoi(value.c_str());
  return options.runs >= 1 && options.runs <= 1000 ? "" : "--runs takes 1 .. 1000";
}

// "" or what is wrong.
std::string parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto equals = word.find('=');
    const std::string option = word.substr(0, equals);
    if (option == "--json" || option == "--out" || option == "--runs") {
      if (equals == std::string::npos && ++i == argc) return option + " needs a value";
      const std::string value = equals == std::string::npos ? argv[i] : word.substr(equals + 1);
      if (std::string wrong = parse_with_value(option, value, options); !wrong.empty()) return wrong;
    } else if (word == "--quick") {
      options.quick = true;
    } else if (word == "--no-huge") {
      options.no_huge = true;
    } else if (word == "--list") {
      options.list = true;
    } else if (word == "--help" || word == "-h") {
      options.help = true;
    } else if (word.starts_with("-") || !options.filter.empty()) {
      return word.starts_with("-") ? "unknown option " + word : "one FILTER at most; 'a|b' matches either";
    } else {
      options.filter = word;
    }
  }
  return "";
}

void print_preface(const Options& options, bool hugepages, double frequency) {
  std::printf("%s; time-stamp counter at %.3f GHz; %u lcores on %zu CPUs; EAL %s.\n", processor().c_str(), frequency,
              lcores_there(), all_cpus().size(),
              hugepages ? "on 2 MiB hugepages (--in-memory)" : "without hugepages (--no-huge)");
  std::printf(
      "Medians of %d %sruns, allocators taking turns: cycles (of the counter) per alloc and free of one object, on "
      "each\n"
      "lcore where there are several, of its own time where they share CPUs. %%: (p90 - p10) / median, ! when too "
      "large.\n"
      "'work' counts %u cycles of something else. pool/N: rte_mempool with a cache of N per lcore, -sp: ring for one\n"
      "producer and consumer, -fm: fastmem's ops.\n\n",
      options.runs_to_do(), options.quick ? "SHORT " : "", kWork);
}

int bench_main(const char* program, const Options& options) {
  const std::vector<ScenarioInfo> scenarios = select_scenarios(dpdk_catalogue(), options.filter);
  if (scenarios.empty()) {
    std::fprintf(stderr, "dpdk_bench: no scenario matches '%s'; --list names them\n", options.filter.c_str());
    return kUsageError;
  }
  if (const std::string wrong = prepare_folder(options.out); !wrong.empty()) {
    std::fprintf(stderr, "dpdk_bench: %s\n", wrong.c_str());
    return kUsageError;
  }
  std::ofstream json;
  if (!options.json.empty()) {
    json.open(options.json);
    if (!json) {
      std::fprintf(stderr, "dpdk_bench: cannot write %s\n", options.json.c_str());
      return kUsageError;
    }
  }
  const double frequency = ticks_per_ns();
  const bool hugepages = !options.no_huge && hugepages_for_eal();
  if (const std::string wrong = start_eal(program, hugepages); !wrong.empty()) {
    std::fprintf(stderr, "dpdk_bench: %s\n", wrong.c_str());
    return EXIT_FAILURE;
  }
  print_preface(options, hugepages, frequency);
  std::fflush(stdout);
  Noise noise;
  const std::vector<Row> rows = run_rounds(scenarios, {options.runs_to_do(), options.quick}, noise);
  print_dpdk_table(rows, frequency);
  print_demands(rows, frequency);
  print_noise(rows, noise);
  draw(dpdk_picture_of(rows, frequency), options.out, "bench-dpdk");
  if (json.is_open()) write_json(json, rows, frequency);
  stop_eal();
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;  // NOLINT: a program's main
  Options options;
  if (const std::string wrong = parse(argc, argv, options); !wrong.empty()) {
    std::fprintf(stderr, "dpdk_bench: %s\n%s", wrong.c_str(), kUsage);
    return kUsageError;
  }
  if (options.help) {
    std::fputs(kUsage, stdout);
    return EXIT_SUCCESS;
  }
  if (options.list) {
    for (const ScenarioInfo& scenario : select_scenarios(dpdk_catalogue(), options.filter)) {
      std::printf("%s\n", scenario.name.c_str());
    }
    return EXIT_SUCCESS;
  }
  return bench_main(argv[0], options);
}
