// SPDX-License-Identifier: BSD-3-Clause
// From an address to its bin, inside the window and outside it.
#include "core/page_map.h"

#include <doctest/doctest.h>

#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

const void* address(std::uintptr_t a) { return reinterpret_cast<const void*>(a); }

TEST_CASE("a set run is found by every byte of it, and by nothing else") {
  Workbench bench(64);
  const BinId bin{63 * kMaxClasses + 55};  // the largest there is
  bench.map.set(10, 3, bin);
  for (std::size_t g = 0; g < 64; ++g) {
    const BinId expected = g >= 10 && g < 13 ? bin : kNoBin;
    for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, kGranule / 2, kGranule - 1}) {
      CHECK(bench.map.find(bench.at(g * kGranule + offset)) == expected);
    }
  }
  CHECK(bench.map.words(bench.at(10 * kGranule)) == bin.rep * SizeTable::kWordsPerClass);
  bench.map.set(11, 1, kNoBin);
  CHECK(bench.map.find(bench.at(11 * kGranule)) == kNoBin);
  CHECK(bench.map.find(bench.at(12 * kGranule)) == bin);
}

TEST_CASE("addresses outside the window have no bin") {
  Workbench bench(16);
  bench.map.set(0, 16, BinId{7});
  CHECK(bench.map.find(address(bench.window.begin)) == BinId{7});
  CHECK(bench.map.find(address(bench.window.end - 1)) == BinId{7});
  for (const std::uintptr_t a :
       {std::uintptr_t{0}, std::uintptr_t{1}, bench.window.begin - 1, bench.window.end, ~std::uintptr_t{0}}) {
    CHECK(bench.map.find(address(a)) == kNoBin);
    CHECK(bench.map.granule_of(address(a)) >= bench.map.granules());
  }
  CHECK(bench.map.find(&bench) == kNoBin);
}

TEST_CASE("granules and addresses are each other's inverse") {
  Workbench bench(16);
  for (std::size_t g = 0; g < 16; ++g) {
    CHECK(bench.map.granule_of(bench.map.address_of(g)) == g);
    CHECK(bench.map.granule_of(bench.map.address_of(g) + kGranule - 1) == g);
  }
}

TEST_CASE("an empty map has nothing") {
  const PageMap map;
  CHECK(map.find(&map) == kNoBin);
  CHECK(map.find(nullptr) == kNoBin);
}

}  // namespace
}  // namespace fastmem::core
