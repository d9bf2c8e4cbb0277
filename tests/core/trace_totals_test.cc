// SPDX-License-Identifier: BSD-3-Clause
// Objects are summed by trace, the largest sum first; what finds no place is summed as one.
#include "core/trace_totals.h"

#include <doctest/doctest.h>

#include <memory>

namespace fastmem::core {
namespace {

TEST_CASE("sums by trace, most bytes first") {
  const auto totals = std::make_unique<TraceTotals>();
  totals->add(TraceId{7}, Bytes{10});
  totals->add(TraceId{9}, Bytes{100});
  totals->add(TraceId{7}, Bytes{20});
  totals->add(kNoTrace, Bytes{5});
  totals->add(TraceId{3}, Bytes{30});
  const auto groups = totals->sort();
  REQUIRE(groups.size() == 4);
  CHECK(groups[0].trace == TraceId{9});
  CHECK(groups[0].bytes == 100);
  CHECK(groups[1].trace == TraceId{7});  // as many bytes as 3, of more objects
  CHECK(groups[1].objects == 2);
  CHECK(groups[1].bytes == 30);
  CHECK(groups[2].trace == TraceId{3});
  CHECK(groups[3].trace == kNoTrace);
  CHECK(totals->all().objects == 5);
  CHECK(totals->all().bytes == 165);
  CHECK(totals->others().objects == 0);
}

TEST_CASE("nothing has no groups") {
  const auto totals = std::make_unique<TraceTotals>();
  CHECK(totals->sort().empty());
  CHECK(totals->all().objects == 0);
}

TEST_CASE("what comes when all groups are taken is one sum, but for traces that have a group") {
  const auto totals = std::make_unique<TraceTotals>();
  // Numbers as a depot gives them, and far apart.
  for (std::uint32_t i = 0; i < TraceTotals::kMostGroups; ++i) totals->add(TraceId{i * 5}, Bytes{i + 1});
  for (std::uint32_t i = 0; i < 50; ++i) totals->add(TraceId{0x8000'0000 + i * 65536}, Bytes{2});
  totals->add(TraceId{5}, Bytes{100'000});
  const auto groups = totals->sort();
  REQUIRE(groups.size() == TraceTotals::kMostGroups);
  CHECK(groups[0].trace == TraceId{5});
  CHECK(groups[0].bytes == 100'002);
  for (std::size_t i = 2; i < groups.size(); ++i) REQUIRE(groups[i].bytes < groups[i - 1].bytes);
  CHECK(totals->others().objects == 50);
  CHECK(totals->others().bytes == 100);
  CHECK(totals->all().objects == TraceTotals::kMostGroups + 51);
}

}  // namespace
}  // namespace fastmem::core
