// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/bench_test.cc: the bench runs, says what it measured, and refuses what it does not know.
#include <doctest/doctest.h>

#include <string>

#include "tests/bench/run_bench.h"

namespace bench {
namespace {

TEST_CASE("one short comparison of every kind of scenario that needs little memory") {
  const std::string json = scratch("bench.json");
  const Run run = run_bench(
      "--quick --runs=1 --json " + json +
      " '^(pair/64|burst32-lifo/64|burst32-fifo/64|bulk32/64|handle/64|random-small|pipe/1-1|pipe32/ring4|threads/[12]|"
      "larson/2|xmalloc/2|sh8bench/2)$'");
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(contains(run.output, "fastmem does what is asked in "));
  CHECK(contains(run.output, "a first look, not a verdict"));
  const std::string results = read(json);
  for (const char* scenario :
       {"pair/64", "burst32-lifo/64", "burst32-fifo/64", "bulk32/64", "handle/64", "random-small", "pipe/1-1",
        "pipe32/ring4", "threads/1", "threads/2", "larson/2", "xmalloc/2", "sh8bench/2"}) {
    for (const char* allocator : {"fastmem", "glibc"}) {
      CHECK(
          contains(results, std::string("{\"scenario\": \"") + scenario + "\", \"allocator\": \"" + allocator + "\""));
    }
  }
}

TEST_CASE("every scenario has a name") {
  const Run run = run_bench("--list");
  CHECK(run.status == 0);
  for (const char* scenario : {"pair/65536\n", "random-large\n", "pipe32/3-1\n", "threads/8\n", "many-threads\n",
                               "first-touch\n", "footprint\n"}) {
    CHECK(contains(run.output, scenario));
  }
}

TEST_CASE("mistakes are named before anything runs") {
  CHECK(contains(run_bench("--allocators nobody").output, "no allocator is called 'nobody'"));
  CHECK(contains(run_bench("--pages 3k").output, "--pages takes"));
  CHECK(contains(run_bench("--fast").output, "unknown option --fast"));
  CHECK(contains(run_bench("no-such-scenario").output, "no scenario matches 'no-such-scenario'"));
  CHECK(run_bench("no-such-scenario").status == 2);
}

}  // namespace
}  // namespace bench
