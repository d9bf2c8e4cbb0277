// SPDX-License-Identifier: BSD-3-Clause
// Magazines in a depot hold no pointer as it is, and what is written there is noticed; marks on a guard are looked at.
#include "core/hardener.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

constexpr BinId kBin{5};

Hardening encoded() {
  Hardening h;
  h.encoded_magazines = true;
  return h;
}

struct FullMagazine {
  explicit FullMagazine(std::uint32_t n = 100) : memory(Bytes{Magazine::size(n)}) {
    magazine = static_cast<Magazine*>(memory.get());
    magazine->capacity = static_cast<std::uint16_t>(n);
    magazine->count = n;
    for (std::uint32_t i = 0; i < n; ++i) magazine->objects()[i] = object(i);
  }
  static void* object(std::uint32_t i) { return reinterpret_cast<void*>(kNowhere + i * 64); }
  Memory memory;
  Magazine* magazine;
};

TEST_CASE("no cell of a sealed magazine looks like an object, or like another cell; unsealed they are what they were") {
  const Hardener hardener(encoded());
  const FullMagazine full;
  Magazine& m = *full.magazine;
  std::fill(m.objects() + 50, m.objects() + 100, FullMagazine::object(7));
  hardener.seal(m);
  std::vector<void*> cells(m.objects(), m.objects() + 100);
  for (void* const cell : cells) {
    const auto at = reinterpret_cast<std::uintptr_t>(cell);
    CHECK((at < kNowhere || at >= kNowhere + kMiB.rep));
  }
  std::sort(cells.begin(), cells.end());
  CHECK(std::adjacent_find(cells.begin(), cells.end()) == cells.end());
  Strays strays;
  hardener.unseal(m, kBin, strays);
  CHECK(strays.empty());
  REQUIRE(m.count == 100);
  for (std::uint32_t i = 0; i < 100; ++i) CHECK(m.objects()[i] == FullMagazine::object(i < 50 ? i : 7));
}

TEST_CASE("two heaps encode differently") {
  const Hardener one(encoded());
  const Hardener other(encoded());
  const FullMagazine full;
  one.seal(*full.magazine);
  const std::vector<void*> cells(full.magazine->objects(), full.magazine->objects() + 100);
  Strays strays;
  one.unseal(*full.magazine, kBin, strays);
  other.seal(*full.magazine);
  CHECK(cells != std::vector<void*>(full.magazine->objects(), full.magazine->objects() + 100));
}

TEST_CASE("a cell that was written is named by its address and dropped; the others stay") {
  const Hardener hardener(encoded());
  const FullMagazine full;
  Magazine& m = *full.magazine;
  hardener.seal(m);
  m.objects()[3] = FullMagazine::object(3);  // as it is
  m.objects()[60] = reinterpret_cast<void*>(0x41414141);
  std::swap(m.objects()[80], m.objects()[81]);  // right, but not in its place
  Strays strays;
  hardener.unseal(m, kBin, strays);
  std::vector<void*> named;
  for (const Strays::Entry& s : strays) {
    CHECK(s.why == Stray::kCellWritten);
    CHECK(s.found_in == kBin);
    named.push_back(s.object);
  }
  if (sizeof(void*) == 8) {
    CHECK(named == std::vector<void*>{m.objects() + 3, m.objects() + 60, m.objects() + 80, m.objects() + 81});
    CHECK(m.count == 96);
  }
  for (std::uint32_t i = 0; i + 1 < m.count; ++i) CHECK(m.objects()[i] != FullMagazine::object(3));
}

TEST_CASE("a bit that flips anywhere in a cell is noticed as good as always") {
  if (sizeof(void*) != 8) return;  // no room for a tag
  const Hardener hardener(encoded());
  unsigned missed = 0;
  for (unsigned bit = 0; bit < 64; ++bit) {
    const FullMagazine full(64);
    hardener.seal(*full.magazine);
    void*& cell = full.magazine->objects()[bit];
    cell = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(cell) ^ std::uint64_t{1} << bit);
    missed += hardener.unseal(&cell) != nullptr ? 1 : 0;
  }
  CHECK(missed <= 1);  // one in 65,536 each
}

TEST_CASE("a heap that does not encode leaves magazines alone") {
  const Hardener hardener(Hardening{});
  const FullMagazine full;
  hardener.seal(*full.magazine);
  CHECK(full.magazine->objects()[9] == FullMagazine::object(9));
  Strays strays;
  hardener.unseal(*full.magazine, kBin, strays);
  CHECK(full.magazine->count == 100);
}

TEST_CASE("depot: sealed while it lies there, itself again when it comes out") {
  Workbench bench(256, kUnlimited, kMiB * 32, kUnlimited, encoded());
  bench.add_region(0, 256);
  WorkbenchBins bins(bench);
  Bin& bin = bins.of(64);
  Strays strays;
  Magazine* const filled = bin.take_magazine();
  filled->count = bin.refill(filled->objects(), filled->capacity);
  REQUIRE(filled->count == filled->capacity);
  const std::vector<void*> objects(filled->objects(), filled->objects() + filled->count);
  // Twice, once after the depot has widened: it has room for none at first.
  for (int i = 0; i < 2; ++i) {
    Magazine* m = bin.take_magazine();
    if (Magazine* const out = bin.exchange_empty_for_any(m, strays)) m = out;
    bin.give_magazine(m, strays);
  }
  bin.give_magazine(filled, strays);
  REQUIRE(bin.counts().depot == objects.size());
  for (std::uint32_t i = 0; i < filled->count; ++i) {
    CHECK(std::find(objects.begin(), objects.end(), filled->objects()[i]) == objects.end());
  }
  Magazine* const empty = bin.take_magazine();
  Magazine* const back = bin.exchange_empty_for_any(empty, strays);
  REQUIRE(back == filled);
  CHECK(std::vector<void*>(back->objects(), back->objects() + back->count) == objects);
  CHECK(strays.empty());
}

}  // namespace
}  // namespace fastmem::core
