// SPDX-License-Identifier: BSD-3-Clause
// Extents: a random walk against a model that looks at every granule, limits, and what is counted.
#include "core/page_heap.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

// The naive one: a byte for each granule.
struct GranuleModel {
  explicit GranuleModel(std::size_t granules) : region(granules), taken(granules) {}

  void add_region(std::size_t first, std::size_t n, unsigned number) {
    for (std::size_t g = first; g < first + n; ++g) region[g] = number;
    held += n;
  }
  bool fits(std::size_t first, std::size_t n) const {
    if (first + n > region.size() || region[first] == 0) return false;
    for (std::size_t g = first; g < first + n; ++g) {
      if (taken[g] || region[g] != region[first]) return false;
    }
    return true;
  }
  bool any_fits(std::size_t n, std::size_t align) const {
    for (std::size_t g = 0; g < region.size(); g += align) {
      if (fits(g, n)) return true;
    }
    return false;
  }
  void mark(std::size_t first, std::size_t n, bool is_taken) {
    for (std::size_t g = first; g < first + n; ++g) taken[g] = is_taken;
    used = is_taken ? used + n : used - n;
  }

  std::vector<unsigned> region;  // 0: none
  std::vector<bool> taken;
  std::size_t held = 0;
  std::size_t used = 0;
};

struct RandomWalk {
  explicit RandomWalk(unsigned seed) : random(seed) {
    std::size_t first = 0;
    for (const std::uint32_t granules : {32u, 64u, 32u, 256u, 96u}) {  // the third touches its neighbours
      bench.add_region(static_cast<ExtentIndex>(first), granules);
      model.add_region(first, granules, bench.regions);
      first += granules;
      if (granules == 256) first += 32;  // a hole
    }
  }
  void take() {
    const auto n = static_cast<std::uint32_t>(random() % 4 == 0 ? 1 + random() % 64 : 1 + random() % 8);
    const auto align = 1u << random() % 6;
    const ExtentIndex first = bench.pages.take(n, align);
    if (first == kNoExtent) {
      CHECK_FALSE(model.any_fits(n, align));
      return;
    }
    REQUIRE(model.fits(first, n));
    CHECK(first % align == 0);
    CHECK(bench.extents[first].head == first);
    CHECK(bench.extents[first + n - 1].head == first);
    model.mark(first, n, true);
    live[first] = n;
  }
  void give() {
    if (live.empty()) return;
    const auto it = std::next(live.begin(), static_cast<long>(random() % live.size()));
    bench.pages.give(it->first);
    model.mark(it->first, it->second, false);
    live.erase(it);
  }
  void check() {
    bench.check(bench.pages);
    CHECK(bench.pages.held().rep == model.held * kGranule);
    CHECK(bench.pages.used().rep == model.used * kGranule);
  }

  std::mt19937 random;
  Workbench bench{544};
  GranuleModel model{544};
  std::map<ExtentIndex, std::uint32_t> live;
};

TEST_CASE("random extents, against a model that looks at every granule") {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    INFO(seed);
    RandomWalk walk(seed);
    for (unsigned step = 0; step < 1500; ++step) {
      // Phases of growing and of shrinking, so that it is full at times and empty at times.
      walk.random() % 8 < (step / 150 % 2 == 0 ? 6u : 2u) ? walk.take() : walk.give();
      walk.check();
    }
    while (!walk.live.empty()) {
      walk.give();
      walk.check();
    }
    // All coalesced: each region is one extent again, and can go.
    ExtentIndex first = 0;
    for (const std::uint32_t granules : {32u, 64u, 32u, 256u}) {
      CHECK(walk.bench.pages.remove_region(first, granules, {}));
      first += granules;
    }
    CHECK(walk.bench.pages.remove_region(416, 96, {}));
    CHECK(walk.bench.pages.held().rep == 0);
    CHECK(walk.bench.pages.regions() == 0);
    walk.bench.check(walk.bench.pages);
    CHECK(walk.bench.pages.take(1, 1) == kNoExtent);
  }
}

// How much of an extent reads 0 is told by a model that knows it of each granule: never too much, and all of it where the
// soiled part lies in front.
TEST_CASE("the clean tail of an extent is never longer than what nobody had") {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    Workbench bench(512);
    bench.add_region(0, 512, {}, true);
    std::vector<bool> soiled(512);
    std::vector<ExtentIndex> live;
    std::mt19937 random(seed);
    for (unsigned step = 0; step < 3000; ++step) {
      if (random() % 16 < (step / 300 % 2 == 0 ? 10u : 6u)) {
        const ExtentIndex i = bench.pages.take(1 + random() % 24, 1u << random() % 4);
        if (i == kNoExtent) continue;
        const Extent& e = bench.extents[i];
        for (std::uint32_t g = e.granules - e.clean; g < e.granules; ++g) REQUIRE_FALSE(soiled[i + g]);
        std::fill_n(soiled.begin() + i, e.granules, true);
        live.push_back(i);
      } else if (!live.empty()) {
        std::swap(live[random() % live.size()], live.back());
        bench.pages.give(live.back());
        live.pop_back();
      } else if (const ExtentIndex lifted = bench.pages.lift_free(512, [](unsigned) { return 2; });
                 lifted != kNoExtent) {
        std::fill_n(soiled.begin() + lifted, bench.extents[lifted].granules, false);
        bench.pages.lay_free(lifted, true);
      }
      bench.check(bench.pages);
    }
  }
  Workbench bench(64);
  bench.add_region(0, 64, {}, true);
  const ExtentIndex a = bench.pages.take(10, 1);
  CHECK(bench.extents[a].clean == 10);
  bench.pages.give(a);
  const ExtentIndex b = bench.pages.take(64, 1);
  CHECK(bench.extents[b].clean == 54);
  bench.pages.give(b);
  CHECK(bench.extents[bench.pages.take(64, 1)].clean == 0);
}

TEST_CASE("an extent grows into a free neighbour and shrinks out of its own tail, in place") {
  Workbench bench(96, Bytes{kGranule * 40});
  bench.add_region(0, 32);
  bench.add_region(32, 64);
  const ExtentIndex a = bench.pages.take(8, 1);
  const ExtentIndex b = bench.pages.take(8, 1);
  REQUIRE(std::min(a, b) % 32 == 0);
  const ExtentIndex low = std::min(a, b);
  CHECK_FALSE(bench.pages.extend(low, 9));  // its neighbour has it
  bench.pages.give(std::max(a, b));
  CHECK(bench.pages.extend(low, 24));
  CHECK(bench.extents[low].granules == 24);
  CHECK(bench.pages.used() == Bytes{kGranule * 24});
  CHECK(bench.pages.extend(low, 32));
  CHECK_FALSE(bench.pages.extend(low, 33));  // another region
  bench.check(bench.pages);
  const ExtentIndex rest = bench.pages.take(8, 1);
  CHECK(rest != kNoExtent);
  CHECK_FALSE(bench.pages.extend(rest, 9));  // the limit
  bench.pages.shrink(low, 1);
  CHECK(bench.pages.extend(rest, 39));
  CHECK(bench.pages.take(1, 1) == kNoExtent);
  bench.check(bench.pages);
  bench.pages.give(low);
  bench.pages.give(rest);
  bench.check(bench.pages);
  CHECK(bench.account.used == 0);
}

TEST_CASE("a whole free extent, of which a part is kept") {
  Workbench bench(128);
  bench.add_region(0, 64);
  bench.add_region(64, 64, {}, true);
  const ExtentIndex first = bench.pages.take(4, 1);
  CHECK(first == 0);
  const ExtentIndex whole = bench.pages.take_whole(61);
  REQUIRE(whole == 64);
  CHECK(bench.extents[whole].granules == 64);
  CHECK(bench.pages.take(61, 1) == kNoExtent);
  const ExtentIndex part = bench.pages.keep(whole, 10, 5);
  CHECK(part == 74);
  CHECK(bench.extents[part].granules == 5);
  CHECK(bench.extents[part].clean == 5);
  CHECK(bench.pages.used() == Bytes{kGranule * 9});
  bench.check(bench.pages);
  CHECK(bench.pages.large().objects == 1);
  CHECK(bench.pages.large().granules == 5);
  CHECK(bench.pages.take(60, 1) == 4);
  CHECK(bench.pages.take(49, 1) == 79);
  CHECK(bench.pages.take(10, 1) == 64);
}

TEST_CASE("of a few extents that fit, the lowest is taken, also where others are tighter") {
  Workbench bench(256);
  bench.add_region(0, 256);
  std::vector<ExtentIndex> fences;
  for (const std::uint32_t hole : {40u, 12u, 10u, 11u}) {
    const ExtentIndex h = bench.pages.take(hole, 1);
    fences.push_back(h);
    bench.pages.take(1, 1);
  }
  const std::uint32_t rest = 256 - 40 - 12 - 10 - 11 - 4;
  CHECK(bench.pages.take(rest, 1) == 256 - rest);
  for (const ExtentIndex hole : fences) bench.pages.give(hole);
  CHECK(bench.pages.take(10, 1) == 0);   // of 40, 12, 10 and 11
  CHECK(bench.pages.take(30, 1) == 10);  // the others are too small
  CHECK(bench.pages.take(11, 1) == 41);  // of 12 and 11
  bench.check(bench.pages);
}

TEST_CASE("who wants as much as was given back last has it; for all others it joins its neighbours in time") {
  Workbench bench(64);
  bench.add_region(0, 64, {}, true);
  PageHeap& pages = bench.pages;
  const ExtentIndex low = pages.take_large(8, 1);
  const ExtentIndex high = pages.take_large(8, 1);
  REQUIRE((low == 0 && high == 8));
  CHECK(pages.give_large(low, 1));
  CHECK(pages.give_large(high, 1));
  bench.check(pages);
  CHECK(pages.take_large(8, 1) == high);  // the lowest that fits begins at 0
  CHECK(bench.extents[high].clean == 0);
  CHECK(pages.give_large(high, 1));
  CHECK(pages.take_large(8, 16) == low);  // what came last is not aligned so
  CHECK(pages.give_large(low, 1));
  SUBCASE("for one that wants all") { CHECK(pages.take_large(64, 1) == 0); }
  SUBCASE("for a slab, where nothing else is left") {
    CHECK(pages.take(56, 1) == 8);
    CHECK(pages.take(8, 1) == 0);
  }
  SUBCASE("for an object that grows") {
    CHECK(pages.take_large(8, 1) == low);
    CHECK(pages.take_large(8, 1) == high);
    CHECK(pages.give_large(high, 1));
    CHECK(pages.extend(low, 64));
  }
  SUBCASE("for a whole region that goes") { CHECK(pages.remove_region(0, 64, {})); }
  SUBCASE("for pages that go") {
    CHECK(pages.lift_free(64, [](unsigned) { return 1u; }) == 0);
  }
  SUBCASE("for who asks what is free") { CHECK(pages.counts().largest_free == Bytes{kGranule * 64}); }
}

TEST_CASE("a large object is given back once, and to the region it is of") {
  Workbench bench(64);
  bench.add_region(0, 64);
  const ExtentIndex large = bench.pages.take_large(20, 4);
  REQUIRE(large != kNoExtent);
  CHECK(bench.extents[large].kind == ExtentKind::kLarge);
  CHECK(bench.pages.large().allocs == 1);
  CHECK(bench.pages.extend(large, 30));
  CHECK(bench.pages.large().granules == 30);
  bench.pages.shrink(large, 10);
  CHECK(bench.pages.large().granules == 10);
  const ExtentIndex slab = bench.pages.take(1, 1);
  CHECK_FALSE(bench.pages.give_large(slab, 1));
  CHECK_FALSE(bench.pages.give_large(large, 2));
  CHECK(bench.pages.give_large(large, 1));
  CHECK_FALSE(bench.pages.give_large(large, 1));
  CHECK(bench.pages.large().frees == 1);
  CHECK(bench.pages.large().objects == 0);
  CHECK(bench.pages.large().granules == 0);
  CHECK(bench.pages.used() == Bytes{kGranule});
  bench.check(bench.pages);
}

TEST_CASE("pages that are given back are not held, are not handed out, and come back") {
  Workbench bench(160);
  bench.add_region(0, 64);
  bench.add_region(64, 96);
  const auto by_8 = [](unsigned region) { return region == 1 ? 8u : 0u; };
  const ExtentIndex used = bench.pages.take(3, 8);  // of the smaller region
  REQUIRE(used == 0);
  const ExtentIndex away = bench.pages.lift_free(40, by_8);
  REQUIRE(away == 8);  // 3 .. 7 is no whole unit, and the other region's pages stay
  CHECK(bench.extents[away].granules == 40);
  CHECK(bench.pages.held() == Bytes{kGranule * 120});
  CHECK_FALSE(bench.pages.remove_region(0, 64, {}));  // nobody knows yet what becomes of it
  bench.pages.lay_absent(away);
  CHECK(bench.pages.absent() == Bytes{kGranule * 40});
  bench.check(bench.pages);
  CHECK(bench.pages.lift_free(7, by_8) == kNoExtent);
  const ExtentIndex more = bench.pages.lift_free(64, by_8);
  REQUIRE(more == 48);
  bench.pages.lay_absent(more);
  CHECK(bench.pages.lift_free(64, by_8) == kNoExtent);
  CHECK(bench.pages.take(5, 1) == 3);
  // The two are one by now: 56 granules, of which what is needed comes, in whole units.
  const ExtentIndex back = bench.pages.lift_absent(9, 1, 1, by_8);
  REQUIRE(back == 8);
  CHECK(bench.extents[back].granules == 16);
  bench.pages.lay_free(back, true);
  CHECK(bench.pages.held() == Bytes{kGranule * 120});
  CHECK(bench.pages.take(16, 1) == 8);
  CHECK(bench.extents[8].clean == 16);
  CHECK(bench.pages.lift_absent(41, 1, 1, by_8) == kNoExtent);
  bench.pages.give(0);
  bench.pages.give(3);
  bench.pages.give(8);
  bench.check(bench.pages);
  CHECK(bench.pages.remove_region(0, 64, {}));  // half of it absent
  CHECK(bench.pages.absent() == Bytes{});
  CHECK(bench.pages.held() == Bytes{kGranule * 96});
  CHECK_FALSE(bench.pages.remove_region(64, 96, {}, Bytes{1}));  // a floor
  CHECK(bench.pages.remove_region(64, 96, {}));
  bench.check(bench.pages);
}

TEST_CASE("all nodes of a heap have one account") {
  Workbench bench(64);
  bench.add_region(0, 64);
  bench.account.limit = kGranule * 10;
  const ExtentIndex a = bench.pages.take(10, 1);
  CHECK(a != kNoExtent);
  CHECK(bench.pages.take(1, 1) == kNoExtent);
  CHECK_FALSE(bench.pages.extend(a, 11));
  bench.pages.shrink(a, 9);
  CHECK(bench.pages.take(1, 1) != kNoExtent);
}

TEST_CASE("neighbours coalesce from both sides, and not across regions") {
  Workbench bench(64);
  bench.add_region(0, 32);
  bench.add_region(32, 32);
  std::vector<ExtentIndex> all;
  for (unsigned i = 0; i < 8; ++i) all.push_back(bench.pages.take(8, 1));
  CHECK(bench.pages.take(1, 1) == kNoExtent);
  std::sort(all.begin(), all.end());
  bench.pages.give(all[0]);
  bench.pages.give(all[2]);
  CHECK(bench.pages.take(16, 1) == kNoExtent);
  bench.pages.give(all[1]);  // closes the gap
  bench.check(bench.pages);
  const ExtentIndex joined = bench.pages.take(24, 1);
  CHECK(joined == 0);
  bench.pages.give(joined);
  for (unsigned i = 3; i < 8; ++i) bench.pages.give(all[i]);
  bench.check(bench.pages);
  CHECK(bench.pages.take(33, 1) == kNoExtent);
  CHECK(bench.pages.take(32, 32) != kNoExtent);
  CHECK(bench.pages.take(32, 32) != kNoExtent);
}

TEST_CASE("a used region stays; the last of its extents lets it go") {
  Workbench bench(64);
  bench.add_region(0, 32, kKiB);
  const ExtentIndex a = bench.pages.take(1, 1);
  const ExtentIndex b = bench.pages.take(1, 1);
  CHECK_FALSE(bench.pages.remove_region(0, 32, kKiB));
  bench.pages.give(a);
  CHECK_FALSE(bench.pages.remove_region(0, 32, kKiB));
  bench.pages.give(b);
  CHECK(bench.pages.books() == kKiB);
  CHECK(bench.pages.remove_region(0, 32, kKiB));
  CHECK(bench.pages.books() == Bytes{});
  CHECK_FALSE(bench.pages.remove_region(0, 32, kKiB));
}

TEST_CASE("a scarce alignment is found behind many extents that do not have it") {
  Workbench bench(4096);
  bench.add_region(0, 4096);
  // 40 free extents of one granule at odd places, and a single one at a multiple of 64.
  std::vector<ExtentIndex> all;
  for (unsigned i = 0; i < 4096; ++i) all.push_back(bench.pages.take(1, 1));
  for (ExtentIndex g = 1; g < 160; g += 4) bench.pages.give(g);
  bench.pages.give(1024);
  for (ExtentIndex g = 2049; g < 2200; g += 4) bench.pages.give(g);
  CHECK(bench.pages.take(1, 64) == 1024);
  CHECK(bench.pages.take(1, 64) == kNoExtent);
  bench.check(bench.pages);
}

TEST_CASE("a limit finer than a region holds to the granule, books counted") {
  Workbench bench(64, Bytes{kGranule * 10 + 500});
  bench.add_region(0, 32, Bytes{400});
  CHECK(bench.pages.room_to_grow().rep == 0);
  ExtentIndex last = kNoExtent;
  for (unsigned i = 0; i < 10; ++i) {
    last = bench.pages.take(1, 1);
    CHECK(last != kNoExtent);
  }
  CHECK(bench.pages.take(1, 1) == kNoExtent);
  bench.pages.give(last);
  bench.pages.count_books(101);  // one byte too many for the tenth granule
  CHECK(bench.pages.take(1, 1) == kNoExtent);
  bench.pages.count_books(-1);
  CHECK(bench.pages.take(1, 1) != kNoExtent);
  CHECK(bench.pages.books() == Bytes{500});
}

TEST_CASE("room to grow is what the limit leaves") {
  Workbench bench(128);
  CHECK(bench.pages.room_to_grow() == kUnlimited);
  CHECK(bench.pages.limit() == kUnlimited);
  bench.pages.set_limit(Bytes{kGranule * 40});
  CHECK(bench.pages.limit() == Bytes{kGranule * 40});
  CHECK(bench.pages.room_to_grow() == Bytes{kGranule * 40});
  bench.add_region(0, 32);
  CHECK(bench.pages.room_to_grow() == Bytes{kGranule * 8});
  bench.add_region(32, 32);
  CHECK(bench.pages.room_to_grow() == Bytes{});
  bench.pages.set_limit(Bytes{});
  CHECK(bench.pages.room_to_grow() == Bytes{});
  bench.pages.set_limit(kUnlimited);
  CHECK(bench.pages.room_to_grow() == kUnlimited - Bytes{kGranule * 64});
}

TEST_CASE("a limit below what is held takes nothing away, until it is given back") {
  Workbench bench(64);
  bench.add_region(0, 32);
  const ExtentIndex one = bench.pages.take(16, 1);
  bench.pages.set_limit(Bytes{kGranule * 4});
  const ExtentIndex other = bench.pages.take(16, 1);  // of memory that is held already
  CHECK(other != kNoExtent);
  bench.pages.give(one);
  bench.pages.give(other);
  REQUIRE(bench.pages.remove_region(0, 32, {}));
  // From now on the limit binds.
  bench.add_region(0, 32);
  CHECK(bench.pages.take(5, 1) == kNoExtent);
  CHECK(bench.pages.take(4, 1) != kNoExtent);
}

}  // namespace
}  // namespace fastmem::core
