// SPDX-License-Identifier: BSD-3-Clause
// One bin: refills and drains against its slabs, the depot as a queue with a bound, and what is not its own.
#include "core/bin.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

// A bin of this size over regions of so many granules in all.
struct BinBench {
  explicit BinBench(std::size_t size, std::uint32_t granules = 512, Bytes arena = kMiB * 32,
                    Bytes cache_budget = kUnlimited)
      : bench(512, kUnlimited, arena, cache_budget), bins(bench), bin(bins.of(size)) {
    if (granules != 0) bench.add_region(0, granules);
  }
  std::vector<void*> refill(std::uint32_t n) {
    std::vector<void*> out(n);
    out.resize(bin.refill(out.data(), n));
    bench.check(bin);
    return out;
  }
  void drain(const std::vector<void*>& objects) {
    bin.drain(objects.data(), static_cast<std::uint32_t>(objects.size()), strays);
    bench.check(bin);
  }
  Magazine* full_magazine() {
    Magazine* const m = bin.take_magazine();
    REQUIRE(m != nullptr);
    m->count = bin.refill(m->objects(), m->capacity);
    REQUIRE(m->count == m->capacity);
    return m;
  }

  Workbench bench;
  WorkbenchBins bins;
  Bin& bin;
  Strays strays;
};

TEST_CASE("refills are disjoint objects in ascending order from the end, and counted") {
  BinBench b(64);
  const std::uint32_t per_slab = b.bin.size_class().objects;
  std::set<void*> all;
  for (unsigned round = 0; round < 50; ++round) {
    const auto got = b.refill(100);
    REQUIRE(got.size() == 100);
    CHECK(std::is_sorted(got.rbegin(), got.rend()));
    for (void* const p : got) {
      CHECK(all.insert(p).second);
      CHECK(b.bench.map.find(p) == b.bin.id());
    }
  }
  const BinCounts c = b.bin.counts();
  CHECK(c.slabs * per_slab == 5000 + c.free);
  CHECK(c.acquires == c.slabs);
  CHECK(c.full + c.partial + c.empty == c.slabs);
  b.drain(std::vector<void*>(all.begin(), all.end()));
  CHECK(b.strays.empty());
  CHECK(b.bin.counts().slabs == 1);  // the empty one that waits
  CHECK(b.bin.counts().empty == 1);
  CHECK(b.bin.counts().releases == b.bin.counts().acquires - 1);
  CHECK(b.bin.release_empty(true, b.strays));
  CHECK_FALSE(b.bin.release_empty(true, b.strays));
  CHECK(b.bench.pages.used() == Bytes{});
  for (void* const p : all) CHECK(b.bench.map.find(p) == kNoBin);
}

TEST_CASE("a refill that the page heap cannot serve gives what there is, at the front") {
  BinBench b(8192, 4);  // four granules: slabs of one or a few
  const std::uint32_t per_slab = b.bin.size_class().objects;
  const std::uint32_t slabs = 4 / b.bin.size_class().granules;
  const auto got = b.refill(1000);
  CHECK(got.size() == slabs * per_slab);
  CHECK(std::is_sorted(got.rbegin(), got.rend()));
  CHECK(b.refill(1).empty());
  CHECK(b.bin.counts().full == slabs);
  b.drain(got);
}

TEST_CASE("slabs of every class lie at multiples of their objects' alignment") {
  for (unsigned c = 1; c <= kFineClasses.count; ++c) {
    const SizeClass& size_class = kFineClasses.classes[c];
    INFO(size_class.size);
    BinBench b(size_class.size, 160);
    REQUIRE(b.bench.pages.take(1, 1) == 0);  // the next free granule is as badly aligned as can be
    const auto got = b.refill(std::min(size_class.objects, 1000u));
    REQUIRE(!got.empty());
    for (void* const p : got) CHECK(reinterpret_cast<std::uintptr_t>(p) % size_class.align == 0);
  }
}

// Full magazines come, as many as are asked; what comes past the depot's bound goes to slabs.
void overflow(BinBench& b, unsigned magazines) {
  for (unsigned i = 0; i < magazines; ++i) {
    Magazine* const empty = b.bin.exchange_full(b.full_magazine(), b.strays);
    REQUIRE(empty != nullptr);
    CHECK(empty->count == 0);
    b.bin.give_magazine(empty, b.strays);
    b.bench.check(b.bin);
  }
}

// Takes the oldest magazine and frees what was in it. false: there is none.
bool take_oldest(BinBench& b) {
  Magazine* const empty = b.bin.take_magazine();
  Magazine* const full = b.bin.exchange_empty_for_any(empty, b.strays);
  if (full == nullptr) {
    b.bin.give_magazine(empty, b.strays);
    return false;
  }
  CHECK(full->count == b.bin.size_class().magazine);
  b.drain(std::vector<void*>(full->objects(), full->objects() + full->count));
  full->count = 0;
  b.bin.give_magazine(full, b.strays);
  return true;
}

std::uint64_t magazines_in_depot(const BinBench& b) { return b.bin.counts().depot / b.bin.size_class().magazine; }

TEST_CASE("a depot that nobody misses keeps nothing") {
  BinBench b(1024);
  overflow(b, 5);
  CHECK(b.bin.counts().depot == 0);
  CHECK(b.bench.budget.granted() == Bytes{});
}

TEST_CASE("a depot that runs empty as well as over gets wider, twice as wide each time, up to its class's bound") {
  BinBench b(1024);
  const SizeClass& c = b.bin.size_class();
  std::uint64_t bound = 2;
  for (unsigned round = 0; round < 8; ++round) {
    CHECK_FALSE(take_oldest(b));
    overflow(b, c.depot + 3u);
    CHECK(magazines_in_depot(b) == bound);
    CHECK(b.bench.budget.granted().rep == c.size * c.magazine * bound);
    while (take_oldest(b)) {
    }
    bound = std::min<std::uint64_t>(bound * 2, c.depot);
  }
  CHECK(bound == c.depot);
  CHECK(b.bin.counts().free == b.bin.counts().slabs * c.objects);
  CHECK(b.strays.empty());
}

TEST_CASE("a depot does not get wider than the budget lets it") {
  const SizeClass& c = kFineClasses[class_of(Profile::kFine, 1024)];
  const Bytes budget = Bytes{std::size_t{c.size} * c.magazine} * 5;
  BinBench b(1024, 512, kMiB * 32, budget);
  for (unsigned round = 0; round < 5; ++round) {
    while (take_oldest(b)) {
    }
    overflow(b, c.depot);
    CHECK(magazines_in_depot(b) <= 4);
    CHECK(b.bench.budget.granted() <= budget);
  }
  CHECK(magazines_in_depot(b) == 4);
}

TEST_CASE("the depot is a queue: the oldest goes first, to whoever takes and when there are too many") {
  BinBench b(1024);
  CHECK_FALSE(take_oldest(b));  // it has room for two from now on
  std::vector<Magazine*> given;
  for (unsigned i = 0; i < 5; ++i) {
    given.push_back(b.full_magazine());
    b.bin.give_magazine(given.back(), b.strays);
  }
  Magazine* const spare = b.bin.take_magazine();
  CHECK(b.bin.exchange_empty_for_any(spare, b.strays) == given[3]);
  CHECK(b.bin.exchange_empty_for_any(given[3], b.strays) == given[4]);
}

TEST_CASE("past the cache: one object, from a slab, or out of the depot when slabs have none") {
  BinBench b(1024, 1);
  const SizeClass& c = b.bin.size_class();
  std::vector<void*> all = b.refill(c.objects);
  REQUIRE(all.size() == c.objects);
  CHECK(b.bin.take_one() == nullptr);
  CHECK_FALSE(take_oldest(b));
  Magazine* const m = b.bin.take_magazine();
  m->count = 2;
  m->objects()[0] = all[0];
  m->objects()[1] = all[1];
  b.bin.give_magazine(m, b.strays);
  CHECK(b.bin.counts().depot == 2);
  CHECK(b.bin.take_one() == all[1]);
  CHECK(b.bin.take_one() == all[0]);
  CHECK(b.bin.take_one() == nullptr);
  CHECK(b.bin.counts().depot == 0);
  b.drain({all[5]});
  CHECK(b.bin.take_one() == all[5]);
  b.bench.check(b.bin);
}

TEST_CASE("what is idle goes back: the depot, its room, empty slabs; what was used since stays") {
  BinBench b(1024);
  CHECK_FALSE(take_oldest(b));
  overflow(b, 4);
  CHECK(magazines_in_depot(b) == 2);
  b.bin.release_idle(~0u, b.strays);  // looks for the first time
  CHECK(magazines_in_depot(b) == 2);
  b.drain(b.refill(1));
  b.bin.release_idle(~0u, b.strays);
  CHECK(magazines_in_depot(b) == 2);
  b.bin.release_idle(~0u, b.strays);
  CHECK(b.bin.counts().depot == 0);
  CHECK(b.bin.counts().slabs == 0);
  CHECK(b.bench.budget.granted() == Bytes{});
  CHECK(b.bench.pages.used() == Bytes{});
}

TEST_CASE("idle depots are emptied a little at a time") {
  BinBench b(1024);
  for (unsigned round = 0; round < 4; ++round) {
    while (take_oldest(b)) {
    }
    overflow(b, 20);
  }
  REQUIRE(magazines_in_depot(b) == 16);
  b.bin.release_idle(1, b.strays);
  for (std::uint64_t left = 15; left > 0; --left) {
    b.bin.release_idle(1, b.strays);
    CHECK(magazines_in_depot(b) == left);
  }
}

TEST_CASE("slabs that empty are kept up to an eighth of the class's, so that a swing makes none anew") {
  BinBench b(4096);
  const auto all = b.refill(16 * 40);
  const std::uint64_t slabs = b.bin.counts().slabs;
  REQUIRE(slabs == 40);
  const std::uint64_t acquires = b.bin.counts().acquires;
  std::vector<void*> swing(all.begin(), all.begin() + 16 * 4);
  for (unsigned round = 0; round < 10; ++round) {
    b.drain(swing);
    CHECK(b.bin.counts().slabs == slabs);
    swing = b.refill(16 * 4);
  }
  CHECK(b.bin.counts().acquires == acquires);
  b.drain(swing);
  b.drain(std::vector<void*>(all.begin() + 16 * 4, all.end()));
  CHECK(b.bin.counts().slabs == 1);
}

TEST_CASE("releasing empties the depot when told so") {
  BinBench b(64);
  CHECK_FALSE(take_oldest(b));
  b.bin.give_magazine(b.full_magazine(), b.strays);
  CHECK(b.bin.counts().depot == b.bin.size_class().magazine);
  CHECK_FALSE(b.bin.release_empty(false, b.strays));
  CHECK(b.bin.release_empty(true, b.strays));
  CHECK(b.bin.counts().depot == 0);
  CHECK(b.bin.counts().slabs == 0);
  CHECK(b.bench.pages.used() == Bytes{});
  CHECK(b.bench.pages.books() == Bytes{});
  CHECK(b.bench.budget.granted() == Bytes{});
}

TEST_CASE("without memory for another magazine a full one is drained and comes back") {
  BinBench b(64, 512, kMiB);
  Magazine* const full = b.full_magazine();
  b.bench.use_up_arena();
  CHECK(b.bin.take_magazine() == nullptr);
  CHECK(b.bin.exchange_full(full, b.strays) == full);
  CHECK(full->count == 0);
  CHECK(b.bin.counts().free == b.bin.counts().slabs * b.bin.size_class().objects);
  b.bench.check(b.bin);
}

TEST_CASE("strays: another bin's object, one that is free, an inner pointer, no slab at all") {
  BinBench b(64);
  Bin& other = b.bins.of(256);
  void* theirs = nullptr;
  REQUIRE(other.refill(&theirs, 1) == 1);
  const auto mine = b.refill(2);
  void* const inside = static_cast<std::byte*>(mine[0]) + 16;
  void* const nowhere = b.bench.at(511 * kGranule);
  void* const outside = &b;
  b.drain({mine[0], theirs, mine[0], inside, nowhere, outside, mine[1]});
  std::vector<Strays::Entry> seen(b.strays.begin(), b.strays.end());
  REQUIRE(seen.size() == 5);
  const auto is = [&](unsigned i, void* p, Stray why, BinId found) {
    CHECK(seen[i].object == p);
    CHECK(seen[i].why == why);
    CHECK(seen[i].came_to == b.bin.id());
    CHECK(seen[i].found_in == found);
  };
  is(0, theirs, Stray::kOtherBin, other.id());
  is(1, mine[0], Stray::kWasFree, b.bin.id());
  is(2, inside, Stray::kInsideObject, b.bin.id());
  is(3, nowhere, Stray::kNoSlab, kNoBin);
  is(4, outside, Stray::kNoSlab, kNoBin);
  CHECK(b.bin.counts().free == b.bin.counts().slabs * b.bin.size_class().objects);
  b.bench.check(other);
  CHECK(other.counts().free == other.counts().slabs * other.size_class().objects - 1);
}

TEST_CASE("strays beyond what can be noted are counted") {
  BinBench b(64);
  const auto mine = b.refill(1);
  b.drain(std::vector<void*>(100, mine[0]));
  CHECK(b.strays.end() - b.strays.begin() == 64);
  CHECK(b.strays.lost() == 35);
}

}  // namespace
}  // namespace fastmem::core
