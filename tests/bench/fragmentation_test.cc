// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/fragmentation_test.cc: the workload keeps to its fill and to its sizes, a trial sees what a heap refuses and
// what it spoils, and the bench runs.
#include <doctest/doctest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "bench/fragmentation/trial.h"
#include "tests/bench/run_bench.h"

namespace bench {
namespace {

constexpr FragmentationJob kJob{.heap = 64 << 20, .fill_percent = 80, .operations = 2'000, .seconds = 60};

TEST_CASE("the workload stays at its fill, with as many sizes of every magnitude") {
  Workload workload(kJob);
  unsigned small = 0;
  std::size_t live = 0;
  std::vector<std::size_t> sizes(Workload::kMostObjects);
  constexpr unsigned kSteps = 10'000;
  for (unsigned i = 0; i < kSteps; ++i) {
    workload.step(
        [&](std::uint32_t n) {
          live -= sizes[n];
          sizes[n] = sizes[workload.count() - 1];
        },
        [&](std::uint32_t n, std::size_t size) {
          CHECK((size >= kJob.least() && size < kJob.most()));
          small += size < 1 << 14 ? 1 : 0;  // 64 bytes .. 16 KiB of 64 bytes .. 4 MiB: half of the magnitudes
          sizes[n] = size;
          live += size;
          return true;
        });
    REQUIRE(live == workload.bytes());
    REQUIRE(live <= kJob.fill());
    if (i > kSteps / 2) CHECK(live + kJob.most() > kJob.fill() / 2);
  }
  CHECK((small > kSteps * 4 / 10 && small < kSteps * 6 / 10));
}

TEST_CASE("who is refused an object is asked for the same sizes") {
  Workload obliging(kJob);
  Workload refusing(kJob);
  std::vector<std::size_t> asked[2];
  for (int i = 0; i < 500; ++i) {
    obliging.step([](std::uint32_t) {},
                  [&](std::uint32_t, std::size_t size) { return asked[0].push_back(size), true; });
    refusing.step([](std::uint32_t) {},
                  [&](std::uint32_t, std::size_t size) { return asked[1].push_back(size), i % 3 == 0; });
  }
  CHECK(asked[0] == asked[1]);
}

// Serves up to `most` bytes.
struct MostHeap {
  std::size_t most;
  std::set<void*> live = {};

  void* alloc(std::size_t size) {
    void* const p = size <= most ? std::malloc(size) : nullptr;
    if (p != nullptr) live.insert(p);
    return p;
  }
  void free(void* p) {
    live.erase(p);
    std::free(p);
  }
  std::size_t peak_footprint() const { return 1; }
  void explain(char* text, std::size_t length, std::size_t, std::size_t) { std::snprintf(text, length, "it is fake"); }
};

TEST_CASE("a trial counts what is refused, and finds the largest that is served") {
  constexpr std::size_t kMost = 1 << 20;
  MostHeap heap{kMost};
  Trial<MostHeap> trial(kJob);
  const FragmentationReport report = trial.run(heap);
  CHECK(report.operations == kJob.operations);
  CHECK(report.failed > 0);
  CHECK(report.looks == kLooks);
  const FragmentationLook& last = report.look[kLooks - 1];
  CHECK(last.operations == kJob.operations);
  CHECK_FALSE(last.served);
  CHECK(std::string(last.why) == "it is fake");
  CHECK((last.largest <= kMost && last.largest > kMost - last.free / 500));
  for (void* p : heap.live) std::free(p);

  MostHeap obliging{~std::size_t{0} >> 1};
  Trial<MostHeap> another(kJob);
  const FragmentationReport good = another.run(obliging);
  CHECK(good.failed == 0);
  for (unsigned i = 0; i < good.looks; ++i) CHECK(good.look[i].served);
  CHECK(good.look[kLooks - 1].largest > good.look[kLooks - 1].free / 2);
  for (void* p : obliging.live) std::free(p);
}

TEST_CASE("the bench compares what is here, and says why a request was refused") {
  const Run run = run_program("--heap 64 --operations 3000 --seconds 20");
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(contains(run.output, "fastmem "));
  CHECK(contains(run.output, "glibc, no mmap "));
  CHECK_FALSE(contains(run.output, "ended with status"));
  if (contains(run.output, "fastmem after")) CHECK(contains(run.output, "fragmentation index"));
  CHECK(run_program("--heap 1").status == 2);
  CHECK(run_program("nobody").status == 2);
}

}  // namespace
}  // namespace bench
