// SPDX-License-Identifier: BSD-3-Clause
// A slab's bitmap: which objects are free, taken ascending, put back once and only where one begins.
#include "core/slab.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

constexpr BinId kBin{9};

std::byte* base_of(const Workbench& bench) { return static_cast<std::byte*>(bench.at(0)); }

// Takes n objects, in the order that pops of the array would give them.
std::vector<std::byte*> take(Extent& e, const SizeClass& c, const Workbench& bench, std::uint32_t n) {
  std::vector<void*> out(n + 1);
  const std::uint32_t got = slab::take(e, c, base_of(bench), n, out.data() + n - 1);
  REQUIRE(got <= n);
  std::vector<std::byte*> objects;
  for (std::uint32_t i = 0; i < got; ++i) objects.push_back(static_cast<std::byte*>(out[n - 1 - i]));
  return objects;
}

std::uint32_t free_bits(const Extent& e, const SizeClass& c) {
  std::uint32_t bits = 0;
  std::uint64_t below_hint = 0;
  for (std::uint32_t w = 0; w < slab::bitmap_words(c); ++w) {
    bits += static_cast<std::uint32_t>(std::popcount(slab::word_of(e, c, w)));
    below_hint += w < e.hint ? slab::word_of(e, c, w) : 0;
  }
  CHECK(below_hint == 0);
  return bits;
}

template <class Visit>
void for_each_class(Visit visit) {
  for (const Profile profile : {Profile::kFine, Profile::kRfc}) {
    const SizeClasses& all = size_classes(profile);
    for (unsigned i = 1; i <= all.count; ++i) {
      INFO(std::string(profile == Profile::kFine ? "fine " : "rfc "), all.classes[i].size);
      visit(all.classes[i]);
    }
  }
}

TEST_CASE("a new slab has every object free; taken one after another they ascend and tile it") {
  for_each_class([](const SizeClass& c) {
    Workbench bench(64);
    Extent e{};
    REQUIRE(slab::make(e, c, kBin, bench.arena));
    CHECK(e.kind == ExtentKind::kSlab);
    CHECK(e.bin == kBin);
    CHECK(e.free == c.objects);
    CHECK(free_bits(e, c) == c.objects);
    std::size_t wrong = 0;
    std::size_t expected = 0;
    while (e.free != 0) {
      const auto got = take(e, c, bench, 100);
      CHECK(got.size() == std::min<std::size_t>(100, c.objects - expected));
      for (std::byte* const p : got) wrong += p != base_of(bench) + expected++ * c.size ? 1 : 0;
    }
    CHECK(wrong == 0);
    CHECK(expected == c.objects);
    CHECK(take(e, c, bench, 1).empty());
    CHECK(free_bits(e, c) == 0);
  });
}

TEST_CASE("put back once; the second time is noticed, and so is an address inside an object") {
  for_each_class([](const SizeClass& c) {
    Workbench bench(64);
    Extent e{};
    REQUIRE(slab::make(e, c, kBin, bench.arena));
    CHECK(slab::put(e, c, 0) == slab::Put::kWasFree);
    while (e.free != 0) take(e, c, bench, 512);
    const std::size_t last = std::size_t{c.objects - 1} * c.size;
    for (const std::size_t offset : std::set{last, std::size_t{0}, std::size_t{c.objects / 2} * c.size}) {
      CHECK(slab::put(e, c, offset + 1) == slab::Put::kInsideObject);
      CHECK(slab::put(e, c, offset + c.size / 2) == slab::Put::kInsideObject);
      CHECK(slab::put(e, c, offset + c.size - 1) == slab::Put::kInsideObject);
      const std::uint32_t before = e.free;
      CHECK(slab::put(e, c, offset) == slab::Put::kDone);
      CHECK(e.free == before + 1);
      CHECK(slab::put(e, c, offset) == slab::Put::kWasFree);
      CHECK(e.free == before + 1);
      CHECK(free_bits(e, c) == e.free);
    }
  });
}

TEST_CASE("random takes and puts keep count, hint and bitmap together") {
  std::mt19937 random(7);
  const SizeClass& c = kFineClasses[class_of(Profile::kFine, 80)];
  Workbench bench(64);
  Extent e{};
  REQUIRE(slab::make(e, c, kBin, bench.arena));
  std::set<std::byte*> taken;
  for (unsigned step = 0; step < 1500; ++step) {
    if (random() % 2 == 0) {
      for (std::byte* const p : take(e, c, bench, 1 + random() % 200)) REQUIRE(taken.insert(p).second);
    } else {
      for (unsigned k = random() % 200; k != 0 && !taken.empty(); --k) {
        const auto it = std::next(taken.begin(), static_cast<long>(random() % taken.size()));
        REQUIRE(slab::put(e, c, static_cast<std::size_t>(*it - base_of(bench))) == slab::Put::kDone);
        taken.erase(it);
      }
    }
    REQUIRE(e.free + taken.size() == c.objects);
    if (step % 16 == 0) REQUIRE(free_bits(e, c) == e.free);
  }
}

TEST_CASE("a bitmap that does not fit the descriptor comes from the arena and goes back there") {
  Workbench bench(64);
  const SizeClass& large = kFineClasses[class_of(Profile::kFine, kMaxSize)];
  const SizeClass& small = kFineClasses[class_of(Profile::kFine, 16)];
  Extent e{};
  REQUIRE(slab::make(e, large, kBin, bench.arena));
  CHECK(slab::bitmap_is_inline(large));
  CHECK(e.bitmap == &e.word);
  CHECK(bench.arena.bytes() == Bytes{});
  slab::unmake(e, large, bench.arena);

  REQUIRE(slab::make(e, small, kBin, bench.arena));
  CHECK(e.bitmap != &e.word);
  const std::uint64_t* const first = e.bitmap;
  const Bytes used = bench.arena.bytes();
  CHECK(used.rep >= small.objects / 8);
  slab::unmake(e, small, bench.arena);
  CHECK(e.kind == ExtentKind::kNone);
  CHECK(e.bin == kNoBin);
  REQUIRE(slab::make(e, small, kBin, bench.arena));
  CHECK(e.bitmap == first);
  CHECK(bench.arena.bytes() == used);
}

TEST_CASE("no memory for a bitmap makes no slab") {
  Workbench bench(64, kUnlimited, kMiB);
  bench.use_up_arena();
  Extent e{};
  CHECK_FALSE(slab::make(e, kFineClasses[class_of(Profile::kFine, 16)], kBin, bench.arena));
  CHECK(e.kind == ExtentKind::kNone);
}

TEST_CASE("in random order: each object once, those put back come again, and two keys tell two orders") {
  for_each_class([](const SizeClass& c) {
    std::vector<std::byte*> order[2];
    for (std::uint64_t key = 0; key < 2; ++key) {
      Workbench bench(64);
      Extent e{};
      REQUIRE(slab::make(e, c, kBin, bench.arena));
      Random random(RandomKey{key, 7}, 1);
      std::vector<void*> out(c.objects + 1);
      const auto take_any = [&](std::uint32_t n) {
        const std::uint32_t got = slab::take_any(e, c, base_of(bench), n, out.data() + n - 1, random);
        for (std::uint32_t i = 0; i < got; ++i) order[key].push_back(static_cast<std::byte*>(out[n - 1 - i]));
        return got;
      };
      const std::uint32_t half = (c.objects + 1) / 2;
      CHECK(take_any(half) == half);
      CHECK(e.free == c.objects - half);
      CHECK(free_bits(e, c) == e.free);
      for (std::byte* const p : order[key]) {
        const auto offset = static_cast<std::size_t>(p - base_of(bench));
        CHECK(slab::put(e, c, offset) == slab::Put::kDone);
        CHECK(slab::put(e, c, offset) == slab::Put::kWasFree);
      }
      order[key].clear();
      CHECK(take_any(c.objects) == c.objects);
      CHECK(e.free == 0);
      CHECK(take_any(1) == 0);
      std::set<std::byte*> distinct(order[key].begin(), order[key].end());
      CHECK(distinct.size() == c.objects);
      for (std::byte* const p : distinct) CHECK(static_cast<std::size_t>(p - base_of(bench)) % c.size == 0);
    }
    if (c.objects > 16) CHECK(order[0] != order[1]);
  });
}

}  // namespace
}  // namespace fastmem::core
