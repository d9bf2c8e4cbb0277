// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/misses_test.cc: the bench of the misses takes the paths that it names, and its distributions are right.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bench/misses/report.h"
#include "tests/bench/run_bench.h"

namespace bench {
namespace {

TEST_CASE("a distribution's figures are samples, by nearest rank") {
  std::vector<std::uint64_t> ticks;
  for (std::uint64_t i = 1000; i > 0; --i) ticks.push_back(i * 2);
  const Distribution d = summarize(ticks.data(), ticks.size(), 2.0);
  CHECK(d.count == 1000);
  CHECK(d.p50 == 500);
  CHECK(d.p99 == 990);
  CHECK(d.p999 == 999);
  CHECK(d.max == 1000);
  CHECK(summarize({7.5}).p50 == 7.5);
  CHECK(summarize({}).max == 0);
}

TEST_CASE("a bound is met by the figure that it names") {
  Path path{.name = "", .forced = "", .took = summarize({1, 2, 3, 50})};
  CHECK(met(path));
  path.asked = Bound{.ns = 3, .figure = &Distribution::p50, .text = "p50"};
  CHECK(met(path));
  path.asked->figure = &Distribution::max;
  CHECK_FALSE(met(path));
}

// Each scenario proves by the heap's counters that its path was taken, and ends the program where it was not.
TEST_CASE("every path is taken on plain pages, and its costs are what the model reads") {
  const std::string costs = scratch("costs.txt");
  const Run run = run_program("--quick --pages 4k --costs " + costs);
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(contains(run.output, "fastmem does what is asked in "));
  CHECK(contains(run.output, "4 KiB pages"));
  CHECK(contains(read(costs), "exchange_alloc "));
}

TEST_CASE("mistakes are named") {
  CHECK(contains(run_program("--pages 3k").output, "--pages takes"));
  CHECK(contains(run_program("--fast").output, "unknown option --fast"));
  CHECK(contains(run_program("--costs /no/such/folder/file").output, "cannot write"));
  CHECK(run_program("--costs").status == 2);
}

}  // namespace
}  // namespace bench
