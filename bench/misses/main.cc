// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/main.cc -- Q: what does everything below a hit cost, how is it spread, and how long is a lock held?
//
//   main > hit_paths, exchange_paths, slab_paths, growth_paths, first_paths, stall_paths, ahead_paths   the heap's calls
//        > lock_paths                                                                      Bin's and PageHeap's
//        > report; with --costs what bench/scale_model replays
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "bench/misses/ground.h"
#include "bench/misses/paths.h"
#include "bench/scale_model/costs.h"
#include "platform/log.h"

namespace bench {
namespace {

constexpr int kUsageError = 2;
constexpr double kAssumedFarTimes = 2.5;  // see docs/perf.md

constexpr const char* kMissesUsage =
    R"(Usage: misses [--quick] [--pages KIND] [--ahead] [--costs FILE]

  --quick          a tenth of the samples: for a first look
  --pages KIND     thp (default), auto, 1g, 2m, 4k
  --ahead          only what growth ahead of need is worth
  --costs FILE     also write what bench/scale_model replays
)";

struct MissesOptions {
  PathPlan plan;
  std::string costs;
  bool ahead = false;
  bool help = false;
};

std::string parse_pages(const std::string& name, fastmem::PageKind& pages) {
  constexpr std::pair<const char*, fastmem::PageKind> kKinds[] = {{"auto", fastmem::PageKind::kAuto},
                                                                  {"1g", fastmem::PageKind::kHuge1G},
                                                                  {"2m", fastmem::PageKind::kHuge2M},
                                                                  {"thp", fastmem::PageKind::kTransparent},
                                                                  {"4k", fastmem::PageKind::kSmall}};
  for (const auto& [known, kind] : kKinds) {
    if (name != known) continue;
    pages = kind;
    return "";
  }
  return "--pages takes auto, 1g, 2m, thp or 4k";
}

std::string parse_misses(int argc, char** argv, MissesOptions& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const bool takes_value = option == "--pages" || option == "--costs";
    if (takes_value && ++i == argc) return option + " needs a value";
    if (option == "--quick") {
      options.plan.quick = true;
    } else if (option == "--ahead") {
      options.ahead = true;
    } else if (option == "--help" || option == "-h") {
      options.help = true;
    } else if (option == "--costs") {
      options.costs = argv[i];
    } else if (option == "--pages") {
      if (std::string wrong = parse_pages(argv[i], options.plan.pages); !wrong.empty()) return wrong;
    } else {
      return "unknown option " + option;
    }
  }
  return "";
}

// Every heap of many would say again that the machine has no such pages.
void tell_once(fastmem::LogLevel level, const char* line, void*) {
  static std::atomic_flag told;
  if (level == fastmem::LogLevel::kError || (level == fastmem::LogLevel::kWarning && !told.test_and_set())) {
    std::fprintf(stderr, "fastmem: %s\n", line);
  }
}

double p50(const std::vector<Path>& paths, const std::string& name) {
  for (const Path& path : paths) {
    if (path.name == name) return path.took.p50;
  }
  die("no such path", name.c_str());
}

scale::Costs make_costs(const std::vector<Path>& calls, const std::vector<Path>& locks, const PathPlan& plan) {
  scale::Costs costs;
  costs.machine = processor();
  costs.hit = measure_hit_ns(plan);
  costs.lock = p50(locks, "no work: taken and given");
  const auto held = [&](const char* name) { return std::max(0.0, p50(locks, name) - costs.lock); };
  const auto outside = [&](const char* call, const char* lock) {
    return std::max(0.0, p50(calls, call) - p50(locks, lock));
  };
  costs.miss_alloc = outside("magazine exchange, alloc", "bin: exchange, alloc");
  costs.miss_free = outside("magazine exchange, free", "bin: exchange, free");
  costs.exchange_alloc = held("bin: exchange, alloc");
  costs.exchange_free = held("bin: exchange, free");
  // The model holds the lock for the whole magazine where Bin lets it go between the parts.
  constexpr auto kParts = static_cast<double>(kPathMagazine) / core::Bin::kDrainedAtOnce;
  constexpr auto kCrumbs = static_cast<double>(kPathMagazine) / kPathCrumbs;
  costs.overflow = kParts * held("bin: a part goes home, in order");
  costs.overflow_scattered = kParts * held("bin: a part goes home, scattered");
  costs.refill = held("bin: refill, one partial slab");
  costs.refill_crumbs = kCrumbs * held("bin: refill, crumbs of a slab");
  costs.page_take = held("node: PageHeap::take");
  costs.page_give = held("node: PageHeap::give");
  costs.new_slab = std::max(0.0, held("bin: refill, new slab") - costs.refill - costs.page_take - costs.lock);
  const Transfer transfer = measure_transfer(plan);
  costs.line = transfer.line_ns;
  costs.magazine = transfer.magazine_ns;
  costs.far_times = kAssumedFarTimes;
  return costs;
}

int misses_main(const MissesOptions& options) {
  std::ofstream file;
  if (!options.costs.empty()) {
    file.open(options.costs);
    if (!file) {
      std::fprintf(stderr, "misses: cannot write %s\n", options.costs.c_str());
      return kUsageError;
    }
  }
  fastmem::set_log(tell_once, nullptr);
  all_cpus();  // before pin()
  pin(all_cpus().back());
  std::printf("%s; time-stamp counter at %.3f GHz, its own cost taken off; pinned to CPU %d.\n", processor().c_str(),
              ticks_per_ns(), all_cpus().back());
  std::printf("Memory is reserved up front, every page of it present (madvise): %s. The heap's own books are not.\n",
              Ground({.pages = options.plan.pages, .reserve = fastmem::kMiB * 64}).pages().c_str());
  std::printf(
      "Nothing is discarded; disturbed: another task had the CPU meanwhile. Objects of 256 B, magazines of 128.\n");

  if (options.ahead) {
    const std::vector<Path> paths = ahead_paths(options.plan);
    print_paths("one object, ns", paths);
    print_forced(paths);
    return EXIT_SUCCESS;
  }
  std::vector<Path> calls;
  for (const auto paths :
       {hit_paths, exchange_paths, slab_paths, growth_paths, first_paths, stall_paths, ahead_paths}) {
    for (Path& path : paths(options.plan)) calls.push_back(std::move(path));
  }
  print_paths("one call of the heap, ns", calls);
  const std::vector<Path> locks = lock_paths(options.plan);
  print_paths("lock held, taken and given, ns", locks);
  std::vector<Path> all = calls;
  all.insert(all.end(), locks.begin(), locks.end());
  print_forced(all);
  print_verdict(all);
  if (options.plan.quick) std::printf("A first look, not a verdict.\n");
  if (file.is_open()) write_costs(file, make_costs(calls, locks, options.plan));
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  MissesOptions options;
  if (const std::string wrong = parse_misses(argc, argv, options); !wrong.empty()) {
    std::fprintf(stderr, "misses: %s\n%s", wrong.c_str(), kMissesUsage);
    return kUsageError;
  }
  if (options.help) {
    std::fputs(kMissesUsage, stdout);
    return EXIT_SUCCESS;
  }
  return misses_main(options);
}
