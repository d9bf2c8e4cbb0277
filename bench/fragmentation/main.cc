// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/main.cc -- Q: what does a heap still serve after millions of random sizes at four fifths of its size?
//
//   main > run_in_child ~ Trial > Workload; Heap (fastmem, malloc; rte_malloc in bench/dpdk/fragmentation_rte.cc)
//        > table, and why a quarter of the free memory was not served
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "bench/allocators.h"
#include "bench/fragmentation/child.h"
#include "bench/fragmentation/heaps.h"
#include "bench/machine.h"

namespace bench {
namespace {

namespace fs = std::filesystem;

constexpr int kUsageError = 2;
constexpr double kMiB = 1 << 20;
constexpr const char* kRteMalloc = "rte_malloc";
constexpr const char* kUsage =
    R"(Usage: fragmentation [--operations N] [--heap MiB] [--fill PERCENT] [--seconds S] [FILTER]

Random sizes from 64 bytes to a sixteenth of the heap, log-uniform, with the heap kept so full. Ten times, the last one
at the end, a quarter of the free memory is asked for.

  FILTER          only contenders whose name contains it
  --operations N  10,000,000
  --heap MiB      1024
  --fill PERCENT  80
  --seconds S     120: then a contender ends early
)";

bool parse(int argc, char** argv, FragmentationJob& job, std::string& filter) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (!option.starts_with("-") && filter.empty()) {
      filter = option;
      continue;
    }
    if (i + 1 == argc) return false;
    const double value = std::atof(argv[++i]);
    if (option == "--operations" && value >= 1) {
      job.operations = static_cast<std::uint64_t>(value);
    } else if (option == "--heap" && value >= 16 && value <= 65536) {
      job.heap = static_cast<std::size_t>(value) << 20;
    } else if (option == "--fill" && value >= 1 && value <= 100) {
      job.fill_percent = static_cast<unsigned>(value);
    } else if (option == "--seconds" && value > 0) {
      job.seconds = value;
    } else {
      return false;
    }
  }
  return true;
}

std::vector<Contender> contenders(const std::string& filter) {
  std::vector<Contender> all;
  const auto add = [&](const std::string& name, const std::string& program, const std::string& preload) {
    if (name.find(filter) != std::string::npos) all.push_back({name, program, preload});
  };
  for (const AllocatorInfo& allocator : allocators()) {
    const Located located = locate(allocator);
    if (!located.installed) continue;
    add(allocator.name, located.program, located.preload);
    if (allocator.name == kGlibc) add(kGlibcHeap, located.program, "");
  }
  std::error_code none;
  const fs::path self = fs::read_symlink("/proc/self/exe", none);
  const fs::path with_eal = self.parent_path().parent_path() / "dpdk" / "fragmentation_rte";
  if (fs::exists(with_eal, none)) add(kRteMalloc, with_eal, "");
  return all;
}

FragmentationReport try_here(const ChildCall& call) {
  pin(all_cpus().back());
  if (call.name == kOurs) return try_fastmem(call.job);
  return try_malloc(call.job, call.name == kGlibcHeap);
}

void print_head(const FragmentationJob& job) {
  std::printf(
      "%s. A heap of %.0f MiB kept %u %% full; sizes 64 bytes .. %.0f MiB, log-uniform; ns are medians of a call.\n",
      processor().c_str(), static_cast<double>(job.heap) / kMiB, job.fill_percent,
      static_cast<double>(job.most()) / kMiB);
  std::printf(
      "quarter: how often, of so many times, a quarter of the free memory was served. largest: what was served at the "
      "end,\nas a part of the free memory. footprint: most memory or address space held, per byte live at most.\n\n");
  std::printf("%-15s %10s %9s %8s %8s %8s %9s %8s %8s\n", "", "served", "failed", "alloc ns", "free ns", "mean ns",
              "footprint", "quarter", "largest");
}

void print_row(const Contender& contender, const FragmentationReport& r) {
  if (*r.failure != '\0') {
    std::printf("%-15s %s\n", contender.name.c_str(), r.failure);
    return;
  }
  unsigned quarters = 0;
  for (unsigned i = 0; i < r.looks; ++i) quarters += r.look[i].served ? 1 : 0;
  const FragmentationLook& last = r.look[r.looks - 1];
  std::printf("%-15s %10llu %9llu %8.0f %8.0f %8.0f %9.2f %4u/%-3u %8.2f\n", contender.name.c_str(),
              static_cast<unsigned long long>(r.operations - r.failed), static_cast<unsigned long long>(r.failed),
              r.alloc_ns, r.free_ns, r.mean_ns,
              static_cast<double>(r.peak_footprint) / static_cast<double>(r.peak_live), quarters, r.looks,
              static_cast<double>(last.largest) / static_cast<double>(last.free));
}

void print_refusals(const Contender& contender, const FragmentationReport& r) {
  for (unsigned i = 0; i < r.looks; ++i) {
    const FragmentationLook& l = r.look[i];
    if (l.served) continue;
    std::printf("%s after %llu: %.1f of %.1f MiB free not served, at most %.1f%s%s\n", contender.name.c_str(),
                static_cast<unsigned long long>(l.operations), static_cast<double>(l.free) / 4 / kMiB,
                static_cast<double>(l.free) / kMiB, static_cast<double>(l.largest) / kMiB, *l.why == '\0' ? "" : ": ",
                l.why);
  }
}

int fragmentation_main(const FragmentationJob& job, const std::string& filter) {
  print_head(job);
  std::vector<std::pair<Contender, FragmentationReport>> done;
  for (const Contender& contender : contenders(filter)) {
    std::fflush(stdout);
    done.emplace_back(contender, run_in_child(contender, job));
    print_row(contender, done.back().second);
  }
  std::printf("\n");
  for (const auto& [contender, report] : done) print_refusals(contender, report);
  return done.empty() ? kUsageError : EXIT_SUCCESS;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;  // NOLINT: a program's main
  if (ChildCall call; is_child(argc, argv, call)) {
    send_report(call, try_here(call));
    std::_Exit(EXIT_SUCCESS);
  }
  FragmentationJob job;
  std::string filter;
  if (!parse(argc, argv, job, filter)) {
    std::fputs(kUsage, stderr);
    return kUsageError;
  }
  return fragmentation_main(job, filter);
}
