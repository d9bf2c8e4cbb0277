// SPDX-License-Identifier: BSD-3-Clause
// Owners go on while a thief empties their caches: no object is handed out twice, none is lost.
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "core/slot.h"
#include "tests/core/workbench.h"
#include "tests/support/sanitizers.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kSize = 64;
constexpr std::uint32_t kGranules = 64;
constexpr unsigned kRounds = test::kShadowMemory ? 30'000 : 500'000;
constexpr std::size_t kEnough = 2000;  // objects stolen before the owners may stop

struct Arrangement {
  Arrangement() : bench(kGranules), bins(bench), bin(bins.of(kSize)), owned(kGranules * kGranule / kSize) {
    bench.add_region(0, kGranules);
  }
  std::atomic<int>& owner_of(void* p) {
    return owned[(reinterpret_cast<std::uintptr_t>(p) - bench.window.begin) / kSize];
  }
  std::uint64_t cached(const Slot& slot) const { return slot.counts(bin.id()).cached; }

  Workbench bench;
  WorkbenchBins bins;
  Bin& bin;
  std::vector<std::atomic<int>> owned;  // 1: somebody has it
};

// One thread's view: the hot path as Heap has it, and a mark on every object it holds.
struct Owner {
  Owner(Arrangement& all_, WorkbenchSlot& mine_) : all(all_), mine(mine_), cache(mine_.caches[all_.bin.id().rep]) {}

  void* alloc() {
    void** const cell = cache.claim();
    void* const p = cache.holds(cell) ? Cache::object_at(cell) : mine.slot.pop_slow(all.bin, true, strays);
    if (p != nullptr && all.owner_of(p).exchange(1, std::memory_order_relaxed) != 0) ++twice;
    return p;
  }
  void free(void* p) {
    all.owner_of(p).store(0, std::memory_order_relaxed);
    if (!cache.push(p)) mine.slot.push_slow(all.bin, p, strays);
  }
  void* alloc_two(void** out) {  // a claim of several, as bulk does it
    if (cache.count() < 2) return nullptr;
    void** const cell = cache.claim(2);
    if (!cache.holds(cell)) {
      mine.slot.unclaim_slow(all.bin.id(), 2);
      return nullptr;
    }
    for (unsigned i = 0; i < 2; ++i) {
      out[i] = cell[i];
      if (all.owner_of(out[i]).exchange(1, std::memory_order_relaxed) != 0) ++twice;
    }
    return out[0];
  }
  void hammer(unsigned seed) {
    std::mt19937 random(seed);
    std::vector<void*> live;
    for (unsigned round = 0; round < kRounds; ++round) {
      const unsigned what = random() % 8;
      if (what < 4 && live.size() < 500) {
        if (void* const p = alloc()) live.push_back(p);
      } else if (what == 4) {
        void* two[2];
        if (alloc_two(two) != nullptr) live.insert(live.end(), two, two + 2);
      } else {
        for (unsigned k = random() % 40; k != 0 && !live.empty(); --k) {
          free(live.back());
          live.pop_back();
        }
      }
    }
    for (void* const p : live) free(p);
  }

  Arrangement& all;
  WorkbenchSlot& mine;
  Cache& cache;
  Strays strays;
  unsigned twice = 0;
};

TEST_CASE("two owners hammer, one thief steals from both") {
  Arrangement all;
  WorkbenchSlot slots[2];
  Owner owners[2] = {{all, slots[0]}, {all, slots[1]}};
  std::atomic<bool> done{false};
  std::atomic<std::size_t> stolen{0};
  std::size_t strays = 0;

  std::thread thief([&] {
    for (unsigned i = 0; !done.load(std::memory_order_relaxed); ++i) {
      Strays found;
      stolen += slots[i % 2].slot.steal_slow(all.bins.bins, 0, kMaxClasses, found);
      if (i % 8 == 0) all.bin.release_empty(true, found);
      strays += found.empty() ? 0 : 1;
    }
  });
  const auto hammer = [&stolen](Owner& owner, unsigned seed) {
    for (unsigned i = 0; i == 0 || (i < 500 && stolen < kEnough); ++i) owner.hammer(seed + 2 * i);
  };
  std::thread one([&] { hammer(owners[0], 1); });
  std::thread other([&] { hammer(owners[1], 2); });
  one.join();
  other.join();
  done = true;
  thief.join();

  CHECK(owners[0].twice + owners[1].twice == 0);
  CHECK(strays == 0);
  CHECK(owners[0].strays.empty());
  CHECK(owners[1].strays.empty());
  CHECK(stolen > 0);
  all.bench.check(all.bin);
  const BinCounts b = all.bin.counts();
  CHECK(all.cached(slots[0].slot) + all.cached(slots[1].slot) + b.depot + b.free ==
        b.slabs * all.bin.size_class().objects);
  const CacheCounts a = slots[0].slot.counts(all.bin.id());
  const CacheCounts z = slots[1].slot.counts(all.bin.id());
  CHECK(a.allocs + z.allocs == a.frees + z.frees);

  Strays none;
  for (WorkbenchSlot& s : slots) s.slot.steal_slow(all.bins.bins, 0, kMaxClasses, none);
  all.bin.release_empty(true, none);
  CHECK(none.empty());
  CHECK(all.bench.pages.used() == Bytes{});
}

TEST_CASE("a thief of a slot whose thread stands still takes all of it") {
  Arrangement all;
  WorkbenchSlot slot;
  Owner owner(all, slot);
  std::vector<void*> live;
  std::thread([&] {
    for (unsigned i = 0; i < 1000; ++i) live.push_back(owner.alloc());
    for (void* const p : live) owner.free(p);
  }).join();
  const std::uint64_t cached = all.cached(slot.slot);
  REQUIRE(cached > 0);
  Strays none;
  CHECK(slot.slot.steal_slow(all.bins.bins, 0, kMaxClasses, none) == cached);
  CHECK(all.cached(slot.slot) == 0);
}

}  // namespace
}  // namespace fastmem::core
