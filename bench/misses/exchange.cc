// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/exchange.cc -- Q: what do a hit and an exchange of magazines with the depot cost?
#include <algorithm>
#include <array>

#include "bench/misses/ground.h"
#include "bench/misses/paths.h"
#include "bench/random.h"

namespace bench {
namespace {

constexpr std::size_t kM = kPathMagazine;
constexpr std::size_t kInCache = 2 * kM;  // the loaded magazine and the previous one
constexpr std::size_t kAtOnce = 48;       // exchanges in a row: fewer than the depot holds
constexpr std::size_t kAll = kInCache + kPathDepot * kM;
constexpr unsigned kPastPrevious = 3;  // misses after which the previous magazine is out of the way
constexpr unsigned kWarmUps = 8;       // after which the depot is as wide as it gets
constexpr std::size_t kSamples = 20'000;

void warm_up(Herd& herd) {
  for (unsigned i = 0; i < kWarmUps; ++i) {
    herd.grow_to(kAll);
    herd.shrink_to(0);
  }
}

bool slabs_untouched(const core::ClassStats& before, const core::ClassStats& after) {
  return before.free_in_slabs == after.free_in_slabs && before.slab_acquires == after.slab_acquires;
}

void exchange_in(Herd& herd, Samples& samples) {
  warm_up(herd);
  while (!samples.full()) {
    herd.grow_past_misses(kPastPrevious);
    const core::ClassStats before = herd.bin();
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      samples.watch();
      herd.grow(kM - 1);
      herd.grow_timed(samples);
    }
    const core::ClassStats after = herd.bin();
    require(slabs_untouched(before, after) && after.alloc_misses - before.alloc_misses == kAtOnce, "exchange, alloc");
    herd.shrink_to(0);
  }
}

void exchange_out(Herd& herd, Samples& samples) {
  warm_up(herd);
  while (!samples.full()) {
    herd.grow_to(kAll);
    herd.shrink_past_misses(kPastPrevious);
    const core::ClassStats before = herd.bin();
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      samples.watch();
      herd.shrink(kM - 1);
      herd.shrink_timed(samples);
    }
    const core::ClassStats after = herd.bin();
    require(slabs_untouched(before, after) && after.free_misses - before.free_misses == kAtOnce, "exchange, free");
    herd.shrink_to(0);
  }
}

// The depot is full: every magazine that comes sends the oldest one's objects home.
void overflow(Herd& herd, Samples& samples, bool scattered) {
  Random random(1);
  const std::size_t most = herd.objects().size();
  warm_up(herd);
  while (!samples.full()) {
    herd.grow_to(most);
    if (scattered) {
      for (std::size_t i = most - 1; i > 0; --i) {
        std::swap(herd.objects()[i], herd.objects()[random.below(static_cast<std::uint32_t>(i + 1))]);
      }
    }
    herd.shrink(kAll);
    herd.shrink_past_misses(kPastPrevious);
    const core::ClassStats before = herd.bin();
    std::size_t taken = 0;
    for (; herd.count() >= kM; ++taken) {
      samples.watch();
      herd.shrink(kM - 1);
      herd.shrink_timed(samples);
    }
    const core::ClassStats after = herd.bin();
    const std::uint64_t homecomers = after.free_in_slabs + after.slab_releases * after.objects_per_slab -
                                     before.free_in_slabs - before.slab_releases * before.objects_per_slab;
    require(homecomers == taken * kM, "exchange, free, depot full");
    herd.shrink_to(0);
  }
}

Path path(const char* name, const char* forced, Samples& samples) {
  return {.name = name, .forced = forced, .took = samples.distribution()};
}

}  // namespace

std::vector<Path> hit_paths(const PathPlan& plan) {
  const Ground ground({.pages = plan.pages, .reserve = fastmem::kMiB * 16});
  Samples in(plan.samples(kSamples));
  Samples out(plan.samples(kSamples));
  Herd herd(ground.heap(), kPathSize, kM);
  herd.grow(kM / 2);
  const core::SlotStats before = herd.slot();
  while (!in.full()) {
    in.watch();
    out.watch();
    herd.grow(1);
    herd.shrink(1);
    herd.shrink_timed(out);
    herd.grow_timed(in);
  }
  require(herd.slot().alloc_misses == before.alloc_misses && herd.slot().free_misses == before.free_misses, "hit");
  return {path("hit, alloc", "a pair is done just before; the cache's misses do not move", in),
          path("hit, free", "", out)};
}

std::vector<Path> exchange_paths(const PathPlan& plan) {
  const Ground ground({.pages = plan.pages, .reserve = fastmem::kMiB * 64});
  Samples in(plan.samples(kSamples));
  Samples out(plan.samples(kSamples));
  Samples over(plan.samples(kSamples / 4));
  Samples scattered(plan.samples(kSamples / 4));
  {
    Herd herd(ground.heap(), kPathSize, kAll);
    exchange_in(herd, in);
    exchange_out(herd, out);
  }
  Herd herd(ground.heap(), kPathSize, 2 * kAll + 1000 * kM);
  overflow(herd, over, false);
  overflow(herd, scattered, true);
  return {
      path("magazine exchange, alloc",
           "127 hits, then a miss; the depot holds this thread's magazines; slabs' free objects do not move", in),
      path("magazine exchange, free", "127 hits, then a miss; the depot has room; slabs' free objects do not move",
           out),
      path("  the depot full, objects in order",
           "64 magazines are in the depot: each miss sends 128 objects back to slabs, last in first out", over),
      path("  the depot full, objects scattered", "the same, freed in random order over some 600 slabs", scattered)};
}

double measure_hit_ns(const PathPlan& plan) {
  const Ground ground({.pages = plan.pages, .reserve = fastmem::kMiB * 16});
  core::Heap& heap = ground.heap();
  constexpr std::size_t kHalf = kM / 2;  // all of them hits
  std::array<void*, kHalf> batch{};
  const auto burst = [&] {
    for (void*& p : batch) p = heap.alloc(kPathSize);
    for (std::size_t i = kHalf; i > 0; --i) heap.free(batch[i - 1]);
  };
  Samples samples(1000);
  constexpr std::size_t kBursts = 100;
  while (!samples.full()) {
    samples.watch();
    samples.time([&] {
      for (std::size_t i = 0; i < kBursts; ++i) burst();
    });
  }
  return samples.distribution().p50 / static_cast<double>(2 * kBursts * kHalf);
}

}  // namespace bench
