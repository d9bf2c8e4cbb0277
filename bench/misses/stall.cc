// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/stall.cc -- Q: does a thread that finds objects wait while another one grows the heap?
#include <atomic>
#include <thread>
#include <vector>

#include "bench/misses/ground.h"
#include "bench/misses/paths.h"
#include "bench/stats.h"

namespace bench {
namespace {

using fastmem::kMiB;

constexpr Bytes kRegion = kMiB * 4;
constexpr std::size_t kAllOfIt = 16 * kPathMagazine;  // objects that come and go: through the depot as well
constexpr double kAllowed = 2.0;                      // the slowest call with growth, of that without
constexpr unsigned kWarmUps = 4;

// Grows the heap, a region for every few objects of 1 MiB, until it is told to stop.
class Grower {
 public:
  explicit Grower(core::Heap& heap) : thread_([this, &heap] { run(heap); }) {
    while (grown_ == 0) std::this_thread::yield();
  }
  Grower(const Grower&) = delete;
  Grower& operator=(const Grower&) = delete;
  ~Grower() { stop(); }

  std::size_t stop() {
    go_ = false;
    if (thread_.joinable()) thread_.join();
    return grown_;
  }

 private:
  void run(core::Heap& heap) {
    constexpr std::size_t kMost = 8192;  // MiB: address space, hardly any of it touched
    constexpr std::size_t kPerRegion = kRegion / kMiB;
    pin(all_cpus().front());
    Herd herd(heap, kMiB.rep, kMost);
    while (go_ && herd.count() < kMost) {
      herd.grow(kPerRegion);
      ++grown_;
    }
  }

  std::atomic<bool> go_{true};         // writer: stop()
  std::atomic<std::size_t> grown_{0};  // writer: run()
  std::thread thread_;
};

// So many timed calls; the slowest of them.
double window(Herd& herd, Samples& samples, std::size_t calls) {
  samples.slowest_since();
  for (std::size_t i = 0; i < calls;) {
    samples.watch();
    for (; herd.count() < kAllOfIt && i < calls; ++i) herd.grow_timed(samples);
    herd.shrink_to(0);
  }
  return samples.slowest_since();
}

}  // namespace

std::vector<Path> stall_paths(const PathPlan& plan) {
  if (all_cpus().size() < 2) return {};  // two threads on one CPU stall each other by taking turns
  constexpr std::size_t kWindows = 15;
  const std::size_t calls = plan.samples(100'000);
  Samples alone(kWindows * calls);
  Samples beside(kWindows * calls);
  std::vector<double> slowest_alone;
  std::vector<double> slowest_beside;
  std::size_t grown = 0;
  for (std::size_t i = 0; i < kWindows; ++i) {
    const Ground ground({.pages = plan.pages, .reserve = kMiB * 16, .region = kRegion});
    Herd herd(ground.heap(), kPathSize, kAllOfIt);
    for (unsigned k = 0; k < kWarmUps; ++k) {
      herd.grow_to(kAllOfIt);
      herd.shrink_to(0);
    }
    slowest_alone.push_back(window(herd, alone, calls));
    Grower grower(ground.heap());
    slowest_beside.push_back(window(herd, beside, calls));
    grown += grower.stop();
  }
  Path typical{.name = "  the same, slowest call of a window",
               .forced = "the slowest undisturbed call of each of 15 windows, which take turns with 15 without growth",
               .took = summarize(slowest_beside)};
  typical.asked = Bound{kAllowed * median(slowest_alone), &Distribution::p50, "p50"};
  return {{.name = "alloc of 256 B, nothing grows",
           .forced = "2048 objects come and go through cache and depot",
           .took = alone.distribution()},
          {.name = "alloc of 256 B, another thread grows",
           .forced = "the other's objects of 1 MiB took " + std::to_string(grown) + " regions of 4 MiB meanwhile",
           .took = beside.distribution()},
          {.name = "  without growth, slowest call of a window", .forced = "", .took = summarize(slowest_alone)},
          typical};
}

}  // namespace bench
