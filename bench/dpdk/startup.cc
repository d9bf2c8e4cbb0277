// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/startup.cc -- Q: how long does it take until so much memory is there, with fastmem and with EAL?
//
// Every start is a process of its own, and they take turns. The clock runs from the first call to the last: rte_eal_init(),
// or making a heap and reserving. Where pages are to be present, EAL's small ones are touched: it has no other means.
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fastmem.hpp>
#include <string>
#include <vector>

#include "bench/machine.h"
#include "bench/stats.h"

namespace bench {
namespace {

constexpr int kUsageError = 2;
constexpr std::size_t kKiBPerGiB = std::size_t{1} << 20;
constexpr const char* kUsage =
    R"(Usage: startup [--mib N] [--runs N]

  --mib N    that much memory; 8192, or 4096 where less than 12 GiB are available
  --runs N   that many starts of each, interleaved: 5
)";

struct Case {
  const char* name;
  fastmem::PageKind pages;
  bool present;
};
constexpr Case kCases[] = {{"2 MiB pages", fastmem::PageKind::kHuge2M, true},
                           {"4 KiB pages, untouched", fastmem::PageKind::kSmall, false},
                           {"4 KiB pages, present", fastmem::PageKind::kSmall, true}};

struct Starter {
  const char* name;
  void (*start)(const Case& c, std::size_t mib, unsigned threads);
  unsigned threads;  // 0: one for each CPU
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "startup: %s\n", why.c_str());
  std::_Exit(EXIT_FAILURE);
}

int touch(const rte_memseg_list*, const rte_memseg* segment, void*) {
  for (std::size_t at = 0; at < segment->len; at += 4096) static_cast<volatile char*>(segment->addr)[at] = 0;
  return 0;
}

void start_eal(const Case& c, std::size_t mib, unsigned) {
  std::vector<std::string> words{"startup",
                                 "--no-pci",
                                 "--no-telemetry",
                                 "--log-level=lib.eal:error",
                                 "--lcores=0@0",
                                 "-m",
                                 std::to_string(mib),
                                 "--no-shconf",
                                 "--file-prefix=fastmem_bench_" + std::to_string(getpid())};
  words.emplace_back(c.pages == fastmem::PageKind::kHuge2M ? "--in-memory" : "--no-huge");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  const bool started = rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
  rmdir(rte_eal_get_runtime_dir());  // nothing is shared
  if (!started) fail("EAL does not start with " + std::to_string(mib) + " MiB");
  if (c.present && c.pages == fastmem::PageKind::kSmall) rte_memseg_walk(touch, nullptr);
}

void start_fastmem(const Case& c, std::size_t mib, unsigned threads) {
  const fastmem::Bytes size = fastmem::kMiB * mib;
  // One region: threads share it out from beginning to end.
  auto made = fastmem::Heap::create(
      {.pages = c.pages, .region_size = size, .prefault = c.present, .prefault_threads = threads});
  if (!made.ok()) fail(made.error().text);
  static fastmem::Heap heap = std::move(*made);  // stays until the process ends
  if (const fastmem::Error error = heap.reserve(size); !error.ok()) fail(error.text);
}

constexpr Starter kStarters[] = {
    {"rte_eal_init", start_eal, 1}, {"fastmem, 1 thread", start_fastmem, 1}, {"fastmem", start_fastmem, 0}};

double time_start(const Starter& starter, const Case& c, std::size_t mib) {
  const auto begin = std::chrono::steady_clock::now();
  starter.start(c, mib, starter.threads);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

// Milliseconds, or less than 0.
double start_in_child(const Starter& starter, const Case& c, std::size_t mib) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    const double took = time_start(starter, c, mib);
    const bool told = write(ends[1], &took, sizeof took) == sizeof took;
    std::_Exit(told ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  close(ends[1]);
  double took = -1;
  if (read(ends[0], &took, sizeof took) != sizeof took) took = -1;
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return took;
}

void print_case(const Case& c, std::size_t mib, int runs) {
  std::vector<double> took[std::size(kStarters)];
  for (int run = 0; run < runs; ++run) {
    for (std::size_t turn = 0; turn < std::size(kStarters); ++turn) {
      const std::size_t i = (turn + static_cast<std::size_t>(run)) % std::size(kStarters);
      const double ms = start_in_child(kStarters[i], c, mib);
      if (ms >= 0) took[i].push_back(ms);
    }
  }
  for (std::size_t i = 0; i < std::size(kStarters); ++i) {
    if (took[i].empty()) {
      std::printf("%-24s %-18s %10s\n", c.name, kStarters[i].name, "failed");
      continue;
    }
    const double of_eal = took[0].empty() ? 0 : median(took[i]) / median(took[0]);
    std::printf("%-24s %-18s %10.1f %5.0f%% %8.3f%s\n", c.name, kStarters[i].name, median(took[i]),
                spread(took[i]) * 100, of_eal,
                i == 0       ? ""
                : of_eal < 1 ? "  met"
                             : "  SHORT");
  }
  std::fflush(stdout);
}

int startup_main(std::size_t mib, int runs) {
  constexpr std::size_t kHugepageMib = 2;
  std::printf(
      "%s. %zu MiB, %d starts of each, interleaved: median ms, (p90 - p10) / median, part of EAL's (asked: < 1)\n\n",
      processor().c_str(), mib, runs);
  for (const Case& c : kCases) {
    if (c.pages == fastmem::PageKind::kHuge2M && free_hugepages() * kHugepageMib < mib) {
      std::printf("%-24s not run: %llu are free; see /proc/sys/vm/nr_hugepages\n", c.name,
                  static_cast<unsigned long long>(free_hugepages()));
      continue;
    }
    print_case(c, mib, runs);
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;  // NOLINT: a program's main
  std::size_t mib = available_memory_kib() + free_hugepages() * 2048 >= 12 * kKiBPerGiB ? 8192 : 4096;
  int runs = 5;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const long value = i + 1 < argc ? std::atol(argv[++i]) : 0;
    if (option == "--mib" && value >= 64) {
      mib = static_cast<std::size_t>(value);
    } else if (option == "--runs" && value >= 1) {
      runs = static_cast<int>(value);
    } else {
      std::fputs(kUsage, stderr);
      return kUsageError;
    }
  }
  return startup_main(mib, runs);
}
