// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/dpdk_results_test.cc: what is asked of fastmem inside EAL, and what counts as an answer.
#include <doctest/doctest.h>

#include <algorithm>

#include "bench/dpdk/dpdk_asked.h"
#include "bench/dpdk/dpdk_catalogue.h"

namespace bench {
namespace {

using Answer = Finding::Answer;

Cell cell(const std::string& allocator, double cycles, double slowest = 0) {
  Cell made;
  made.allocator = allocator;
  made.cycles = {cycles, cycles, cycles};
  made.max_cycles = {slowest, slowest, slowest};
  return made;
}

Row row(const std::string& scenario, std::vector<Cell> cells) {
  const auto chosen = select_scenarios(dpdk_catalogue(), "^" + scenario + "$");
  REQUIRE(chosen.size() == 1);
  return {.scenario = chosen.front(), .cells = std::move(cells)};
}

Demand demand(const std::string& text) {
  const auto found =
      std::find_if(dpdk_demands().begin(), dpdk_demands().end(), [&](const Demand& d) { return d.text() == text; });
  REQUIRE(found != dpdk_demands().end());
  return *found;
}

Answer answer(const std::string& text, const std::vector<Row>& rows) {
  return judge(demand(text), kFastmem, rows, 2.0).answer;
}

TEST_CASE("a pair takes at most 0.6 of a pool's, a handle 0.3, a bulk as much") {
  CHECK(answer("pair/64 of pool/512", {row("pair/64", {cell(kFastmem, 6), cell(kPool, 10)})}) == Answer::kMet);
  CHECK(answer("pair/64 of pool/512", {row("pair/64", {cell(kFastmem, 6.1), cell(kPool, 10)})}) == Answer::kShort);
  CHECK(answer("handle/64 of pool/512", {row("handle/64", {cell(kFastmem, 3), cell(kPool, 10)})}) == Answer::kMet);
  CHECK(answer("handle/64 of pool/512", {row("handle/64", {cell(kFastmem, 3.1), cell(kPool, 10)})}) == Answer::kShort);
  CHECK(answer("bulk32/64 of pool/512", {row("bulk32/64", {cell(kFastmem, 10), cell(kPool, 10)})}) == Answer::kMet);
  CHECK(answer("bulk32/64 of pool/512", {row("bulk32/64", {cell(kFastmem, 10.1), cell(kPool, 10)})}) == Answer::kShort);
}

TEST_CASE("called out of line, a pair is compared with what the pool's inlined one costs") {
  const auto rows = [](double ours) {
    return std::vector<Row>{row("pair/256", {cell(kFastmem, 1), cell(kPool, 10)}),
                            row("pair-called", {cell(kFastmem, ours), cell(kPool, 20)})};
  };
  CHECK(answer("pair-called of pool/512's pair/256", rows(6)) == Answer::kMet);
  CHECK(answer("pair-called of pool/512's pair/256", rows(6.1)) == Answer::kShort);
}

TEST_CASE("rte_fastmem.h costs at most two cycles more than the C++ core, called out of line too") {
  for (const std::string scenario : {"pair-called", "handle-called"}) {
    const Demand asked = demand(scenario + ", cycles over fastmem");
    const std::vector<Row> near = {row(scenario, {cell(kFastmem, 5), cell(kRteFastmem, 7)})};
    const std::vector<Row> far = {row(scenario, {cell(kFastmem, 5), cell(kRteFastmem, 7.1)})};
    CHECK(judge(asked, kRteFastmem, near, 2.0).answer == Answer::kMet);
    CHECK(judge(asked, kRteFastmem, far, 2.0).answer == Answer::kShort);
    CHECK(judge(asked, kFastmem, near, 2.0).answer == Answer::kNotAsked);
  }
}

TEST_CASE("rte_malloc is twenty times slower") {
  CHECK(answer("pair/256 of rte_malloc", {row("pair/256", {cell(kFastmem, 5), cell(kRteMalloc, 100)})}) ==
        Answer::kMet);
  CHECK(answer("pair/256 of rte_malloc", {row("pair/256", {cell(kFastmem, 5), cell(kRteMalloc, 99)})}) ==
        Answer::kShort);
}

TEST_CASE("a thread that EAL does not know is compared with the same allocator's lcore") {
  const std::vector<Row> rows = {row("eal-lcore", {cell(kFastmem, 10), cell(kRteFastmem, 10)}),
                                 row("non-eal-thread", {cell(kFastmem, 12), cell(kRteFastmem, 13)})};
  const Demand asked = demand("non-eal-thread of eal-lcore");
  CHECK(judge(asked, kFastmem, rows, 2.0).answer == Answer::kMet);
  CHECK(judge(asked, kRteFastmem, rows, 2.0).answer == Answer::kShort);
}

TEST_CASE("the slowest first allocation counts, in nanoseconds") {
  const auto rows = [](double slowest) {
    return std::vector<Row>{row("first-allocation", {cell(kFastmem, 100, slowest)})};
  };
  CHECK(answer("first-allocation, slowest ns", rows(20'000)) == Answer::kMet);
  CHECK(answer("first-allocation, slowest ns", rows(20'001)) == Answer::kShort);
}

TEST_CASE("what was not measured is not judged") {
  CHECK(answer("pair/64 of pool/512", {row("pair/64", {cell(kFastmem, 7)})}) == Answer::kUnknown);
  CHECK(answer("pair/64 of pool/512", {}) == Answer::kUnknown);
}

TEST_CASE("several lcores are judged, one is not") {
  const auto asks = [](const std::string& scenario) {
    return std::any_of(dpdk_demands().begin(), dpdk_demands().end(),
                       [&](const Demand& d) { return d.scenario == scenario; });
  };
  CHECK(asks("lcores/2"));
  CHECK(asks("lcores-set-work/2"));
  CHECK_FALSE(asks("lcores/1"));
}

TEST_CASE("lcores go to four for each CPU, and each keeps nine tenths of one lcore's throughput") {
  CHECK(dpdk_lcores() >= 4);
  const auto rows = [](double four) {
    return std::vector<Row>{row("lcores/1", {cell(kFastmem, 9), cell(kPool, 12)}),
                            row("lcores/4", {cell(kFastmem, four), cell(kPool, 12)})};
  };
  CHECK(answer("lcores/4 of lcores/1", rows(10)) == Answer::kMet);
  CHECK(answer("lcores/4 of lcores/1", rows(10.1)) == Answer::kShort);
  CHECK(answer("lcores/4 of pool/512", rows(12)) == Answer::kMet);
  CHECK(answer("lcores/4 of pool/512", rows(12.1)) == Answer::kShort);
}

}  // namespace
}  // namespace bench
