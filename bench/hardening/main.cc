// SPDX-License-Identifier: BSD-3-Clause
// bench/hardening/main.cc -- Q: what does each way of hardening a heap cost, alone and together, against none?
//
// All in turn, many times, so that what else the machine does meets each alike; medians, and their ratio to none's.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "api/fastmem.hpp"
#include "bench/hardening/others.h"
#include "bench/stats.h"

namespace bench::hardening {
namespace {

constexpr const char* kUsage = "Usage: hardening [--quick]\n";
constexpr const char* kWays[] = {"none", "random", "zero", "guards", "delay", "encode", "arena", "sized", "all"};

struct Row {
  std::string name;
  std::vector<double> runs[kCount] = {};
  double held = 0;  // KiB of slabs while the random sizes live

  void add(const Figures& figures) {
    for (std::size_t s = 0; s < kCount; ++s) runs[s].push_back(figures[s]);
  }
};

[[gnu::noinline]] void* alloc(fastmem::Heap& heap, std::size_t size) { return heap.alloc(size); }
[[gnu::noinline]] void free_sized(fastmem::Heap& heap, void* p, std::size_t size) { heap.free(p, size); }

void measure_way(const char* way, std::size_t objects, Row& row) {
  fastmem::Config config;
  config.harden = way;
  auto made = fastmem::Heap::create(config);
  if (!made.ok()) {
    std::fprintf(stderr, "hardening: %s\n", made.error().text);
    std::exit(EXIT_FAILURE);
  }
  fastmem::Heap& heap = made.value();
  row.add(measure([&](std::size_t size) { return alloc(heap, size); },
                  [&](void* p, std::size_t size) { free_sized(heap, p, size); },
                  [&] { row.held = static_cast<double>(heap.stats().slabs.rep) / 1024; }, objects));
}

void print(const Row& row, const Row& none) {
  std::printf("%-16s", row.name.c_str());
  for (std::size_t s = 0; s < kCount; ++s) {
    std::printf("  %8.1f ns %6.2fx", median(row.runs[s]), median(row.runs[s]) / median(none.runs[s]));
  }
  if (row.held != 0) std::printf("  %8.0f", row.held);
  std::printf("\n");
}

int run(int rounds, std::size_t objects) {
  std::vector<Row> rows;
  for (const char* const way : kWays) rows.push_back({.name = way});
  std::string missing;
  const std::vector<Other> installed = others(missing);
  for (const Other& other : installed) rows.push_back({.name = other.name});
  for (int round = 0; round < rounds; ++round) {
    std::size_t r = 0;
    for (const char* const way : kWays) measure_way(way, objects, rows[r++]);
    for (const Other& other : installed) {
      Figures figures;
      if (measure_other(other, objects, figures)) rows[r].add(figures);
      ++r;
    }
  }
  std::printf(
      "alloc + free of one object, one thread, medians of %d runs in turn; slabs: KiB while the random sizes live\n\n",
      rounds);
  std::printf("%-16s", "");
  for (const char* const scenario : kScenarios) std::printf("  %19s", scenario);
  std::printf("  %8s\n", "slabs");
  for (const Row& row : rows) {
    if (!row.runs[0].empty()) print(row, rows.front());
  }
  if (!missing.empty()) std::printf("\nNot installed: %s.\n", missing.c_str());
  return EXIT_SUCCESS;
}

int main_of(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--as-other") == 0) {
    return run_as_other(std::strtoul(argv[2], nullptr, 10));
  }
  const bool quick = argc == 2 && std::strcmp(argv[1], "--quick") == 0;
  if (argc > 1 && !quick) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  return run(quick ? 3 : 11, quick ? 200'000 : 1'000'000);
}

}  // namespace
}  // namespace bench::hardening

int main(int argc, char** argv) { return bench::hardening::main_of(argc, argv); }
