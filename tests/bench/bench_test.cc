// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/bench_test.cc: the bench runs, says what it measured, and refuses what it does not know.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "tests/bench/run_bench.h"
#include "tests/support/skip.h"

namespace bench {
namespace {

TEST_CASE("one short comparison of every kind of scenario that needs little memory") {
  const std::string json = scratch("bench.json");
  const Run run = run_bench("--quick --runs=1 --json " + json +
                            " '^(pair/64|burst32-lifo/64|burst32-fifo/64|bulk32/64|handle/64|random-small|large/"
                            "2M|large-random|pipe/1-1|pipe32/ring4|threads/[12]|"
                            "larson/2|xmalloc/2|sh8bench/2|footprint/traced/1k)$'");
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(contains(run.output, "fastmem does what is asked in "));
  CHECK(contains(run.output, "a first look, not a verdict"));
  const std::string results = read(json);
  for (const char* scenario :
       {"pair/64", "burst32-lifo/64", "burst32-fifo/64", "bulk32/64", "handle/64", "random-small", "large/2M",
        "large-random", "pipe/1-1", "pipe32/ring4", "threads/1", "threads/2", "larson/2", "xmalloc/2", "sh8bench/2",
        "footprint/traced/1k", "footprint/traced/1k/freed"}) {
    for (const char* allocator : {"fastmem", "glibc"}) {
      CHECK(
          contains(results, std::string("{\"scenario\": \"") + scenario + "\", \"allocator\": \"" + allocator + "\""));
    }
  }
  CHECK(contains(results, "\"footprint/traced/1k/books\", \"allocator\": \"fastmem\""));
  CHECK((contains(results, "\"dtlb_load_misses\"") || contains(run.output, "not counted: ")));
}

TEST_CASE("fastmem is measured in a plugin, beside its own copy in the program") {
  const std::string json = scratch("plugin.json");
  const Run run = run_bench("--quick --runs=1 --allocators fastmem --json " + json + " '^p[a-z]*-(plugin|called)/64$'");
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(contains(run.output, "pair-plugin/64, cycles over plugin-called/64"));
  for (const char* scenario : {"pair-plugin/64", "plugin-called/64", "pair-called/64"}) {
    CHECK(contains(read(json), std::string("{\"scenario\": \"") + scenario + "\", \"allocator\": \"fastmem\""));
  }
}

TEST_CASE("the table is drawn, also into a folder with a quote and a blank in its name") {
  if (std::system("command -v gnuplot >/dev/null") != 0) FM_SKIP("gnuplot is not installed");
  const Run run = run_bench("--quick --runs=1 --allocators fastmem,glibc '^handle/64$'");
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(contains(run.output, "Drawn: " + pictures() + "/bench.svg"));
  CHECK(contains(read(pictures() + "/bench.svg"), ">handle<"));
  CHECK(read(pictures() + "/bench.png").compare(1, 3, "PNG") == 0);
}

TEST_CASE("without gnuplot the table is there, and a line says what to install") {
  const Run run = run_bench("--quick --runs=1 --allocators fastmem,glibc '^handle/64$'", "PATH=/nowhere");
  CHECK(run.status == 0);
  CHECK(contains(run.output, "handle/64"));
  CHECK(contains(run.output, "apt-get install gnuplot-nox"));
}

TEST_CASE("every scenario has a name") {
  const Run run = run_bench("--list");
  CHECK(run.status == 0);
  for (const char* scenario :
       {"pair/65536\n", "random-large/1M\n", "random-large-sized/10M\n", "pipe32/3-1\n", "threads/8\n", "large/64M\n",
        "large-random\n", "many-threads\n", "first-touch\n", "footprint/traced/100k\n"}) {
    CHECK(contains(run.output, scenario));
  }
}

TEST_CASE("mistakes are named before anything runs") {
  CHECK(contains(run_bench("--allocators nobody").output, "no allocator is called 'nobody'"));
  CHECK(contains(run_bench("--pages 3k").output, "--pages takes"));
  CHECK(contains(run_bench("--out /proc/nowhere").output, "cannot write into /proc/nowhere"));
  CHECK(contains(run_bench("--fast").output, "unknown option --fast"));
  CHECK(contains(run_bench("no-such-scenario").output, "no scenario matches 'no-such-scenario'"));
  CHECK(run_bench("no-such-scenario").status == 2);
}

}  // namespace
}  // namespace bench
