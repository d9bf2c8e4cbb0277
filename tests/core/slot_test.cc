// SPDX-License-Identifier: BSD-3-Clause
// A slot's slow paths: magazines traded with the bin, statistics that follow, and no memory for magazines.
#include "core/slot.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

struct SlotBench {
  explicit SlotBench(std::size_t size, Bytes arena = kMiB * 32, std::uint32_t granules = 1024)
      : bench(1024, kUnlimited, arena), bins(bench), bin(bins.of(size)) {
    if (granules != 0) bench.add_region(0, granules);
  }
  // As Heap::alloc and Heap::free do.
  void* alloc() {
    void** const cell = cache().claim();
    return cache().holds(cell) ? Cache::object_at(cell) : s.slot.pop_slow(bin, true, strays);
  }
  void free(void* p) {
    if (!cache().push(p)) s.slot.push_slow(bin, p, strays);
  }
  Cache& cache() { return s.caches[bin.id().rep]; }
  CacheBook& book() { return s.books[bin.id().rep]; }

  // Every object is somewhere, once.
  void check(std::size_t in_use) {
    bench.check(bin);
    CHECK(strays.empty());
    const BinCounts b = bin.counts();
    const CacheCounts c = s.slot.counts(bin.id());
    CHECK(b.slabs * bin.size_class().objects == in_use + c.cached + b.depot + b.free);
    CHECK(c.allocs - c.frees == in_use);
    CHECK(c.alloc_misses <= c.allocs);
    CHECK(c.free_misses <= c.frees);
  }

  Workbench bench;
  WorkbenchBins bins;
  Bin& bin;
  WorkbenchSlot s;
  Strays strays;
};

TEST_CASE("random allocs and frees: nothing twice, nothing lost, and the counters follow") {
  for (const std::size_t size : {16, 320, 4096, 100'000}) {
    INFO(size);
    SlotBench b(size);
    std::mt19937 random(static_cast<unsigned>(size));
    std::set<void*> live;
    for (unsigned step = 0; step < 20'000; ++step) {
      const bool grow = random() % 100 < (step / 2000 % 2 == 0 ? 70u : 30u);
      if (grow && live.size() < 300) {
        void* const p = b.alloc();
        REQUIRE(p != nullptr);
        REQUIRE(live.insert(p).second);
      } else if (!live.empty()) {
        const auto it = live.lower_bound(b.bench.at(random() % (1024 * kGranule)));
        void* const p = it != live.end() ? *it : *live.begin();
        live.erase(p);
        b.free(p);
      }
      if (step % 256 == 0) b.check(live.size());
    }
    b.check(live.size());
    for (void* const p : live) b.free(p);
    b.check(0);
    b.s.slot.flush(b.bins.bins, 0, kMaxClasses, b.strays);
    b.check(0);
    CHECK(b.cache().count() == 0);
    b.bin.release_empty(true, b.strays);
    CHECK(b.bench.pages.used() == Bytes{});
  }
}

TEST_CASE("a miss is a call that the cache could not serve") {
  SlotBench b(64);
  b.alloc();
  const CacheCounts c = b.s.slot.counts(b.bin.id());
  CHECK(c.alloc_misses == 1);
  CHECK(c.cached > 0);
  for (std::uint64_t n = c.cached; n != 0; --n) b.alloc();
  CHECK(b.s.slot.counts(b.bin.id()).alloc_misses == 1);
  b.alloc();
  CHECK(b.s.slot.counts(b.bin.id()).alloc_misses == 2);

  SlotBench cold(64);  // its first call is a free
  void* given = nullptr;
  REQUIRE(cold.bin.refill(&given, 1) == 1);
  cold.free(given);
  CHECK(cold.s.slot.counts(cold.bin.id()).free_misses == 1);
  cold.free(cold.alloc());
  CHECK(cold.s.slot.counts(cold.bin.id()).free_misses == 1);
}

TEST_CASE("a cache on the edge does not thrash") {
  SlotBench b(64);
  const unsigned n = b.bin.size_class().magazine;
  std::vector<void*> live;
  for (unsigned i = 0; i < 8 * n; ++i) live.push_back(b.alloc());  // warm
  while (b.cache().count() != 0) live.push_back(b.alloc());
  b.s.slot.reset_counts(kMaxClasses);
  for (unsigned round = 0; round < 100; ++round) {  // one below empty, one above, over and over
    live.push_back(b.alloc());
    live.push_back(b.alloc());
    b.free(live.back());
    live.pop_back();
    b.free(live.back());
    live.pop_back();
  }
  const CacheCounts c = b.s.slot.counts(b.bin.id());
  CHECK(c.alloc_misses <= 3);
  CHECK(c.free_misses <= 2);
  CHECK(c.allocs == 200);
}

TEST_CASE("more frees than two magazines reach the depot, and come back from there") {
  SlotBench b(64);
  const unsigned n = b.bin.size_class().magazine;
  std::set<void*> first;
  for (unsigned i = 0; i < 4 * n; ++i) first.insert(b.alloc());
  CHECK(first.size() == 4 * n);
  for (void* const p : first) b.free(p);
  CHECK(b.bin.counts().depot >= n);
  b.check(0);
  std::size_t again = 0;
  for (unsigned i = 0; i < 4 * n; ++i) again += first.count(b.alloc());
  CHECK(again >= 3 * n);
  CHECK(b.bin.counts().depot < n);
  b.check(4 * n);
}

TEST_CASE("a bin with nothing: nullptr, the claim undone, nothing counted as a miss") {
  SlotBench b(64, kMiB * 32, 0);
  for (unsigned i = 0; i < 3; ++i) CHECK(b.alloc() == nullptr);
  const CacheCounts c = b.s.slot.counts(b.bin.id());
  CHECK(c.allocs == 0);
  CHECK(c.alloc_misses == 0);
  b.s.slot.count_nomem(b.bin.id(), 1);
  CHECK(b.s.slot.counts(b.bin.id()).nomem == 1);
  b.bench.add_region(0, 1024);
  CHECK(b.alloc() != nullptr);
  b.check(1);
}

TEST_CASE("no memory for magazines: allocs and frees go past the cache, from and to their slabs") {
  SlotBench b(64, kMiB);
  std::vector<void*> objects(100);
  REQUIRE(b.bin.refill(objects.data(), 100) == 100);  // as if another slot had them
  b.bench.use_up_arena();
  void* const past = b.alloc();
  REQUIRE(past != nullptr);
  objects.push_back(past);
  for (void* const p : objects) b.free(p);
  CHECK(b.cache().count() == 0);
  CHECK(b.bin.counts().free == b.bin.counts().slabs * b.bin.size_class().objects);
  CHECK(b.s.slot.counts(b.bin.id()).frees == 101);
  CHECK(b.s.slot.counts(b.bin.id()).free_misses == 101);
  CHECK(b.strays.empty());
  b.bench.check(b.bin);
}

TEST_CASE("one magazine and no memory for another: it is drained when full") {
  SlotBench b(64, kMiB);
  const unsigned n = b.bin.size_class().magazine;
  std::vector<void*> objects(3 * n);
  REQUIRE(b.bin.refill(objects.data(), 2 * n) == 2 * n);
  objects.resize(2 * n);
  objects.push_back(b.alloc());  // brings the one magazine
  b.bench.use_up_arena();
  for (void* const p : objects) b.free(p);
  CHECK(b.strays.empty());
  const BinCounts c = b.bin.counts();
  CHECK(c.free + c.depot + b.s.slot.counts(b.bin.id()).cached == c.slabs * b.bin.size_class().objects);
  b.bench.check(b.bin);
  for (unsigned i = 0; i < 2 * n; ++i) CHECK(b.alloc() != nullptr);
}

TEST_CASE("stealing by the owner itself takes everything, and the magazines go on") {
  SlotBench b(64);
  std::vector<void*> live;
  for (unsigned i = 0; i < 300; ++i) live.push_back(b.alloc());
  for (unsigned i = 0; i < 200; ++i) {
    b.free(live.back());
    live.pop_back();
  }
  const std::uint64_t cached = b.s.slot.counts(b.bin.id()).cached;
  CHECK(cached != 0);
  CHECK(b.s.slot.steal_slow(b.bins.bins, 0, kMaxClasses, b.strays) == cached);
  CHECK(b.s.slot.counts(b.bin.id()).cached == 0);
  b.check(100);
  CHECK(b.s.slot.steal_slow(b.bins.bins, 0, kMaxClasses, b.strays) == 0);
  for (void* const p : live) b.free(p);  // into a cache with a hole at its bottom
  b.check(0);
  for (unsigned i = 0; i < 300; ++i) REQUIRE(b.alloc() != nullptr);
  b.check(300);
}

TEST_CASE("flushing gives full magazines to the depot whole") {
  SlotBench b(64);
  const unsigned n = b.bin.size_class().magazine;
  std::vector<void*> live;
  for (unsigned i = 0; i < 2 * n; ++i) live.push_back(b.alloc());
  for (void* const p : live) b.free(p);
  const std::uint64_t before = b.s.slot.counts(b.bin.id()).cached;
  CHECK(before >= n);
  CHECK(b.s.slot.flush(b.bins.bins, 0, kMaxClasses, b.strays) == before);
  CHECK(b.s.slot.counts(b.bin.id()).cached == 0);
  CHECK(b.bin.counts().depot >= n);
  b.check(0);
  CHECK(b.s.slot.flush(b.bins.bins, 0, kMaxClasses, b.strays) == 0);
}

TEST_CASE("a reset starts the counters anew and keeps what is cached") {
  SlotBench b(64);
  void* const kept = b.alloc();
  b.free(b.alloc());
  const std::uint64_t cached = b.s.slot.counts(b.bin.id()).cached;
  b.s.slot.reset_counts(kMaxClasses);
  CacheCounts c = b.s.slot.counts(b.bin.id());
  CHECK(c.allocs == 0);
  CHECK(c.frees == 0);
  CHECK(c.alloc_misses == 0);
  CHECK(c.cached == cached);
  b.free(kept);
  c = b.s.slot.counts(b.bin.id());
  CHECK(c.allocs == 0);
  CHECK(c.frees == 1);
  CHECK(c.cached == cached + 1);
}

}  // namespace
}  // namespace fastmem::core
