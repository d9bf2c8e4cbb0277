// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/locks.cc -- Q: how long are the bin's and the node's lock held by each path?
//
// Every function of Bin and PageHeap takes its lock first and gives it back last, but for a refill, which lets it go
// between slabs, and a drain, between parts: here they get one slab and one part. So what a call takes is the time that the
// lock is held, and that of taking and giving it on top.
#include <algorithm>
#include <memory>

#include "bench/misses/parts.h"
#include "bench/misses/paths.h"
#include "bench/random.h"

namespace bench {
namespace {

constexpr fastmem::SlotId kMe{1};
constexpr std::uint32_t kGranules = 4096;

// As the owner of a magazine does between two misses.
void use_up(core::Magazine* m) {
  for (std::uint32_t i = 0; i < m->capacity; ++i) m->objects()[i] = nullptr;
}

void exchanges(Samples& in, Samples& out) {
  Parts parts(kPathSize, kGranules);
  core::Strays strays;
  parts.widen_depot();
  for (std::size_t i = 0; i < kPathDepot / 2; ++i) {
    core::Magazine* const m = parts.magazine();
    parts.fill(m);
    m->filled_by = kMe;
    parts.bin().give_magazine(m, strays);
  }
  core::Magazine* empty = parts.magazine();
  while (!in.full()) {
    core::Magazine* full = nullptr;
    in.watch();
    use_up(empty);
    in.time([&] { full = parts.bin().exchange_empty(empty, kMe, strays); });
    out.watch();
    const std::vector<void*> objects(full->objects(), full->objects() + full->count);
    std::copy(objects.begin(), objects.end(), full->objects());  // its lines are the owner's by the time it is full
    full->filled_by = kMe;
    out.time([&] { empty = parts.bin().exchange_full(full, strays); });
  }
}

void scatter(std::vector<core::Magazine*>& magazines, Random& random) {
  const auto cell = [&](std::size_t i) -> void*& { return magazines[i / kPathMagazine]->objects()[i % kPathMagazine]; };
  for (std::size_t i = magazines.size() * kPathMagazine - 1; i > 0; --i) {
    std::swap(cell(i), cell(random.below(static_cast<std::uint32_t>(i + 1))));
  }
}

// What a depot has no room for goes home in parts.
void homecoming(Samples& samples, bool scattered) {
  constexpr std::size_t kMagazines = 1200;
  Parts parts(kPathSize, kGranules);
  core::Strays strays;
  Random random(3);
  std::vector<core::Magazine*> magazines(kMagazines);
  for (core::Magazine*& m : magazines) m = parts.magazine();
  while (!samples.full()) {
    for (core::Magazine* m : magazines) parts.fill(m);
    if (scattered) scatter(magazines, random);
    for (core::Magazine* m : magazines) {
      for (std::uint32_t at = 0; at < m->count; at += core::Bin::kDrainedAtOnce) {
        samples.watch();
        samples.time([&] { parts.bin().drain(m->objects() + at, core::Bin::kDrainedAtOnce, strays); });
      }
    }
  }
  if (!strays.empty()) die("objects came to no slab");
}

// A magazine's worth each: half of a slab of 256, so that new and partial slabs take turns.
void refills(Samples& partial, Samples& fresh, Samples& first) {
  const std::uint32_t slabs = kGranules / 2;
  while (!first.full() || !partial.full() || !fresh.full()) {
    Parts parts(kPathSize, kGranules);
    core::Strays strays;
    std::vector<core::Magazine*> magazines(2 * slabs);
    for (core::Magazine*& m : magazines) m = parts.magazine();
    for (unsigned round = 0; round < 4; ++round) {
      Samples& made = round == 0 ? first : fresh;
      for (std::size_t i = 0; i < magazines.size(); ++i) {
        Samples& samples = i % 2 == 0 ? made : partial;
        samples.watch();
        use_up(magazines[i]);
        samples.time([&] { parts.fill(magazines[i]); });
      }
      for (core::Magazine*& m : magazines) m = parts.bin().exchange_full(m, strays);
      parts.bin().release_empty(true, strays);
    }
  }
}

// All of one slab, from slabs that have `free` objects each.
void crumbs(Samples& samples, std::size_t object_size, std::uint32_t free) {
  Parts parts(object_size, kGranules);
  const core::SizeClass& c = parts.size_class();
  const std::size_t slabs = 512;
  core::Strays strays;
  std::vector<void*> all(slabs * c.objects);
  if (parts.bin().refill(all.data(), static_cast<std::uint32_t>(all.size())) != all.size()) die("no objects");
  std::sort(all.begin(), all.end());
  std::vector<void*> crumbs;  // spread evenly over each slab
  for (std::size_t i = 0; i < all.size(); i += c.objects / free) crumbs.push_back(all[i]);
  core::Magazine* const m = parts.magazine();
  while (!samples.full()) {
    parts.bin().drain(crumbs.data(), static_cast<std::uint32_t>(crumbs.size()), strays);
    for (std::size_t taken = 0; taken < crumbs.size(); taken += free) {
      samples.watch();
      use_up(m);
      samples.time([&] { m->count = parts.bin().refill(m->objects(), free); });
      if (m->count != free) die("no objects in a slab");
    }
  }
  if (!strays.empty()) die("objects came to no slab");
}

void page_heap(Samples& take, Samples& give) {
  Parts parts(kPathSize, kGranules);
  std::vector<core::ExtentIndex> extents(kGranules / 2);
  while (!take.full()) {
    for (core::ExtentIndex& e : extents) {
      take.watch();
      take.time([&] { e = parts.pages().take(1, 1); });
    }
    for (const core::ExtentIndex e : extents) {
      give.watch();
      give.time([&] { parts.pages().give(e); });
    }
  }
}

void bare_lock(Samples& samples) {
  fastmem::Mutex mutex(fastmem::LockRank::kBin);
  while (!samples.full()) {
    samples.watch();
    samples.time([&] { const fastmem::LockGuard guard(mutex); });
  }
}

// What no lock may be held longer than: the scan of one slab, of the class with most objects in one, that has two free
// in each word of its bitmap.
constexpr std::size_t kSmallestSize = 16;
constexpr std::uint32_t kTwoInEachWord = 128;
constexpr double kMargin = 1.5;  // for what comes with it, and for the measurement

}  // namespace

std::vector<Path> lock_paths(const PathPlan& plan) {
  const std::size_t n = plan.samples(20'000);
  Samples bare(n), in(n), out(n), over(n / 4), scattered(n / 4), partial(n), fresh(n), first(n / 2), scan(n / 4);
  Samples few(n / 4), take(n), give(n);
  bare_lock(bare);
  exchanges(in, out);
  homecoming(over, false);
  homecoming(scattered, true);
  refills(partial, fresh, first);
  crumbs(scan, kSmallestSize, kTwoInEachWord);
  crumbs(few, kPathSize, kPathCrumbs);
  page_heap(take, give);
  const Distribution slab = scan.distribution();
  const Bound asked{slab.p50 * kMargin, &Distribution::p50, "p50"};
  const auto path = [&](const char* name, const char* forced, Samples& samples) {
    return Path{.name = name, .forced = forced, .took = samples.distribution(), .asked = asked};
  };
  return {{.name = "no work: taken and given", .forced = "", .took = bare.distribution()},
          {.name = "the scan of one slab",
           .forced = "4096 objects of 16 B, two free in each word: 128 taken",
           .took = slab},
          path("bin: exchange, alloc", "Bin::exchange_empty(), the depot half full", in),
          path("bin: exchange, free", "Bin::exchange_full(), the depot half full", out),
          path("bin: a part goes home, in order", "Bin::drain() of 16, last in first out", over),
          path("bin: a part goes home, scattered", "the same, objects shuffled over 600 slabs", scattered),
          path("bin: refill, one partial slab", "Bin::refill() of 128 from the half that is left", partial),
          path("bin: refill, crumbs of a slab", "slabs of 256 with 8 free each: 8 taken", few),
          path("bin: refill, new slab", "its books touched before; takes the node's lock inside", fresh),
          path("bin: refill, new slab, first time", "the kernel gives pages for books under the lock", first),
          path("node: PageHeap::take", "a granule of a large free extent", take),
          path("node: PageHeap::give", "a granule beside a free extent", give)};
}

}  // namespace bench
