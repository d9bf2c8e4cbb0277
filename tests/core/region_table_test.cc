// SPDX-License-Identifier: BSD-3-Clause
// Regions by number, and their device addresses asked for once.
#include "core/region_table.h"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "tests/core/workbench.h"
#include "tests/support/fake_backing.h"

namespace fastmem::core {
namespace {

using test::FakeBacking;
using test::FakeBackingOptions;

struct TableBench {
  explicit TableBench(const FakeBackingOptions& options = {})
      : books(kMiB * 64, false), arena(books.get(), books.size()), table(&arena), backing(options) {}
  ~TableBench() {
    for (const Region& region : backing.live()) backing.release(region);
  }
  Region reserve(Bytes size) {
    Result<Region> region = backing.reserve(size, NodeId{0}, Contiguity::kAny);
    REQUIRE(region.ok());
    return *region;
  }
  Iova iova_of(RegionNumber n, const void* p) {
    Error error;
    const Iova iova = table.iova_of(n, p, backing, error);
    CHECK(error.ok());
    return iova;
  }

  Memory books;
  Arena arena;
  RegionTable table;
  FakeBacking backing;
};

std::byte* byte_of(const Region& region, std::size_t offset) { return static_cast<std::byte*>(region.base) + offset; }

TEST_CASE("numbers begin at 1, are reused, and reach beyond a chunk") {
  TableBench b;
  Region region;
  region.page_size = kKiB * 4;
  region.size = kRegionUnit;
  for (unsigned i = 1; i <= 600; ++i) {
    region.cookie = i;
    REQUIRE(b.table.add(region, i % 3) == i);
  }
  CHECK(b.table.highest() == 600);
  for (unsigned i = 1; i <= 600; ++i) {
    const RegionInfo& info = b.table[static_cast<RegionNumber>(i)];
    CHECK(info.present);
    CHECK(info.region.cookie == i);
    CHECK(info.node == i % 3);
    CHECK(info.page_shift == 12);
  }
  b.table.remove(300);
  b.table.remove(17);
  CHECK_FALSE(b.table[17].present);
  CHECK(b.table.add(region, 0) == 17);
  CHECK(b.table.add(region, 0) == 300);
  CHECK(b.table.add(region, 0) == 601);
}

TEST_CASE("one run in IOVA space: a base, asked for once, and no table kept") {
  FakeBackingOptions options;
  options.page_size = kMiB * 2;
  options.unit = kMiB * 2;
  TableBench b(options);
  const Region region = b.reserve(kMiB * 16);
  const RegionNumber n = b.table.add(region, 0);
  CHECK_FALSE(b.table.is_one_run(n));
  for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, (kMiB * 2).rep, (kMiB * 16).rep - 1}) {
    CHECK(b.iova_of(n, byte_of(region, offset)) == b.backing.expected_iova(byte_of(region, offset)));
  }
  CHECK(b.table.is_one_run(n));
  CHECK(b.backing.iova_calls() == 1);
}

TEST_CASE("scattered pages: a table with an entry for each") {
  for (const Bytes page : {kKiB * 4, kMiB * 2}) {
    FakeBackingOptions options;
    options.page_size = page;
    TableBench b(options);
    b.backing.set_iova([page](std::size_t p) { return Iova{(std::uint64_t{1} << 45) - p * page.rep}; });
    const Region region = b.reserve(kMiB * 8);
    const RegionNumber n = b.table.add(region, 0);
    std::size_t wrong = 0;
    for (std::size_t offset = 0; offset < region.size.rep; offset += 1777) {
      wrong += b.iova_of(n, byte_of(region, offset)) != b.backing.expected_iova(byte_of(region, offset)) ? 1 : 0;
    }
    CHECK(wrong == 0);
    CHECK_FALSE(b.table.is_one_run(n));
    CHECK(b.backing.iova_calls() == 1);
    // The table's memory comes back with the region.
    const Bytes used = b.arena.bytes();
    b.table.remove(n);
    const RegionNumber again = b.table.add(region, 0);
    CHECK(again == n);
    CHECK(b.iova_of(again, region.base) == b.backing.expected_iova(region.base));
    CHECK(b.backing.iova_calls() == 2);
    CHECK(b.arena.bytes() == used);
  }
}

TEST_CASE("all pages at once: a table of one run, too, which goes with the region") {
  for (const bool scattered : {false, true}) {
    CAPTURE(scattered);
    TableBench b;
    if (scattered) b.backing.set_iova([](std::size_t p) { return Iova{(std::uint64_t{1} << 45) - p * 4096}; });
    const Region region = b.reserve(kMiB * 4);
    Bytes used;
    for (unsigned round = 0; round < 3; ++round) {
      const RegionNumber n = b.table.add(region, 0);
      const auto pages = b.table.pages_of(n, b.backing);
      REQUIRE(pages.ok());
      REQUIRE(pages.value().size() == 1024);
      for (std::size_t i = 0; i < 1024; ++i) {
        REQUIRE(pages.value()[i] == b.backing.expected_iova(byte_of(region, i * 4096)));
      }
      CHECK(b.table.is_one_run(n) == !scattered);
      CHECK(b.iova_of(n, byte_of(region, 5000)) == b.backing.expected_iova(byte_of(region, 5000)));
      CHECK(b.table.pages_of(n, b.backing).value().data() == pages.value().data());
      CHECK(b.backing.iova_calls() == round + 1);
      if (round == 0) used = b.arena.bytes();
      CHECK(b.arena.bytes() == used);
      b.table.remove(n);
    }
    const RegionNumber n = b.table.add(region, 0);
    b.backing.refuse_iova(ErrorCode::kPermission);
    CHECK(b.table.pages_of(n, b.backing).code() == ErrorCode::kPermission);
  }
}

TEST_CASE("a refusal is passed on, and asked again the next time") {
  TableBench b;
  const Region region = b.reserve(kMiB * 2);
  const RegionNumber n = b.table.add(region, 0);
  b.backing.refuse_iova(ErrorCode::kPermission);
  for (unsigned i = 1; i <= 2; ++i) {
    Error error;
    CHECK(b.table.iova_of(n, region.base, b.backing, error) == kBadIova);
    CHECK(error.code == ErrorCode::kPermission);
    CHECK(b.backing.iova_calls() == i);
  }
  b.backing.refuse_iova(ErrorCode::kOk);
  CHECK(b.iova_of(n, region.base) == b.backing.expected_iova(region.base));
}

TEST_CASE("several threads ask first at once and agree") {
  TableBench b;
  b.backing.set_iova([](std::size_t p) { return Iova{(std::uint64_t{1} << 45) - p * 4096}; });
  std::vector<RegionNumber> numbers;
  std::vector<Region> regions;
  for (unsigned i = 0; i < 20; ++i) {
    regions.push_back(b.reserve(kMiB * 2));
    numbers.push_back(b.table.add(regions.back(), 0));
  }
  std::vector<std::thread> threads;
  std::atomic<unsigned> wrong{0};
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (unsigned i = 0; i < 20; ++i) {
        Error error;
        const std::byte* const p = byte_of(regions[i], 123'456);
        if (b.table.iova_of(numbers[i], p, b.backing, error) != b.backing.expected_iova(p)) ++wrong;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("whether all regions are inherited by fork, also after their IOVAs were asked for") {
  FakeBackingOptions options;
  options.fork_ends_with_iova = true;
  TableBench b(options);
  CHECK(b.table.all_inherited_by_fork());
  const Region region = b.reserve(kMiB * 2);
  const RegionNumber n = b.table.add(region, 0);
  CHECK(b.table.all_inherited_by_fork());
  b.iova_of(n, region.base);
  CHECK_FALSE(b.table.all_inherited_by_fork());
  b.table.remove(n);
  CHECK(b.table.all_inherited_by_fork());
}

TEST_CASE("pages that come again elsewhere: the table that a listener had made stays the region's") {
  FakeBackingOptions options;
  options.page_size = kMiB * 2;
  options.unit = kMiB * 2;
  TableBench b(options);
  const Region region = b.reserve(kMiB * 16);
  const RegionNumber n = b.table.add(region, 0, 32);
  const auto pages = b.table.pages_of(n, b.backing);
  REQUIRE(pages.ok());
  REQUIRE(b.table.is_one_run(n));
  b.backing.set_iova([](std::size_t page) { return Iova{(std::uint64_t{3} << 41) - page * 8 * kMiB.rep}; });
  REQUIRE(b.table.renew(n, kMiB * 4, kMiB * 6, b.backing).ok());
  REQUIRE_FALSE(b.table.is_one_run(n));
  void* const other = b.arena.take(Bytes{8 * sizeof(Iova)});
  CHECK(other != b.table[n].table);
  std::memset(other, 0xff, 8 * sizeof(Iova));
  CHECK(b.iova_of(n, byte_of(region, (kMiB * 4).rep)) == b.backing.expected_iova(byte_of(region, (kMiB * 4).rep)));
  CHECK(b.iova_of(n, byte_of(region, (kMiB * 2).rep)) != b.backing.expected_iova(byte_of(region, (kMiB * 2).rep)));
}

}  // namespace
}  // namespace fastmem::core
