// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/traces_test.cc: the bench of stack traces takes one by every way that it names.
#include <doctest/doctest.h>

#include <string>

#include "tests/bench/run_bench.h"

namespace bench {
namespace {

TEST_CASE("each way has a figure for each depth") {
  const Run run = run_program("--quick");
  INFO(run.output);
  CHECK(run.status == 0);
  for (const char* const way : {"known trace", "walk, then", "walk (", "_Unwind_Backtrace ", "\nbacktrace "}) {
    CAPTURE(way);
    const auto at = run.output.find(way);
    REQUIRE(at != std::string::npos);
    const auto end = run.output.find('\n', at + 1);
    int eight = 0;
    int sixteen = 0;
    CHECK(std::sscanf(run.output.substr(end - 20, 20).c_str(), "%d %d", &eight, &sixteen) == 2);
    CHECK(eight > 0);
    CHECK(sixteen > 0);
  }
}

TEST_CASE("mistakes are named") {
  CHECK(contains(run_program("--fast").output, "unknown option --fast"));
  CHECK(run_program("--fast").status == 2);
  CHECK(run_program("--help").status == 0);
}

}  // namespace
}  // namespace bench
