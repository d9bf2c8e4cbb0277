// SPDX-License-Identifier: BSD-3-Clause
// Ranges by address, while others come and go.
#include "api/devices/range_table.h"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace fastmem::devices {
namespace {

TEST_CASE("a range is found by each of its bytes, and nothing beyond it") {
  RangeTable table(8);
  REQUIRE(table.is_there());
  CHECK(table.find(0, 1) == RangeTable::kNone);
  table.insert(3000, 4000, 7);
  table.insert(1000, 2000, 5);
  table.insert(2000, 3000, 6);
  CHECK(table.find(999, 1) == RangeTable::kNone);
  CHECK(table.find(1000, 1) == 5);
  CHECK(table.find(1000, 1000) == 5);
  CHECK(table.find(1999, 1) == 5);
  CHECK(table.find(1999, 2) == RangeTable::kNone);  // in two
  CHECK(table.find(1000, 1001) == RangeTable::kNone);
  CHECK(table.find(2500, 500) == 6);
  CHECK(table.find(3999, 1) == 7);
  CHECK(table.find(3999, ~std::size_t{0}) == RangeTable::kNone);
  CHECK(table.find(4000, 1) == RangeTable::kNone);
  CHECK(table.find(4000, 0) == RangeTable::kNone);
  CHECK(table.erase(2000) == 6);
  CHECK(table.erase(2000) == RangeTable::kNone);
  CHECK(table.find(2500, 1) == RangeTable::kNone);
  CHECK(table.find(1500, 1) == 5);
  CHECK(table.find(3500, 1) == 7);
}

TEST_CASE("as a map does it, at random") {
  constexpr std::size_t kRanges = 300;
  RangeTable table(kRanges);
  std::map<std::uintptr_t, int> model;
  std::mt19937 random(1);
  for (int step = 0; step < 20000; ++step) {
    const std::uintptr_t begin = random() % kRanges * 100 + 1;
    if (const auto it = model.find(begin); it != model.end()) {
      CHECK(table.erase(begin) == it->second);
      model.erase(it);
    } else {
      table.insert(begin, begin + 60, step);
      model[begin] = step;
    }
    const std::uintptr_t at = random() % kRanges * 100 + 1 + random() % 100;
    const auto it = model.find((at - 1) / 100 * 100 + 1);
    const bool inside = it != model.end() && (at - 1) % 100 < 60;
    CHECK(table.find(at, 1) == (inside ? it->second : RangeTable::kNone));
  }
}

TEST_CASE("what stays is found by every reader while others come and go") {
  RangeTable table(64);
  for (int i = 1; i <= 20; ++i) table.insert(i * 1000u, i * 1000u + 500, i);
  std::atomic<bool> done{false};
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> readers;
  for (unsigned t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      for (int i = 0; !done; i = (i + 1) % 20) {
        if (table.find((i + 1) * 1000u + 400, 100) != i + 1) ++wrong;
      }
    });
  }
  for (unsigned round = 0; round < 20000; ++round) {
    const std::uintptr_t begin = round % 20 * 1000 + 600 + round % 3 * 100;  // between two of the others
    table.insert(begin, begin + 50, 100);
    CHECK(table.erase(begin) == 100);
  }
  done = true;
  for (std::thread& t : readers) t.join();
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace fastmem::devices
