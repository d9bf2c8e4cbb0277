// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/dpdk_bench_test.cc: the bench inside EAL runs every scenario, says what it measured, and refuses what it
// does not know.
#include <doctest/doctest.h>

#include <string>

#include "bench/dpdk/dpdk_catalogue.h"
#include "tests/bench/run_bench.h"

namespace bench {
namespace {

bool has_cell(const std::string& results, const std::string& scenario, const std::string& allocator) {
  return contains(results, "{\"scenario\": \"" + scenario + "\", \"allocator\": \"" + allocator + "\"");
}

// Its lcores wait for each other without a pause for other tasks.
bool takes_two_cpus(const ScenarioInfo& info) {
  return info.kind == Kind::kProducerConsumer || info.kind == Kind::kProducerConsumerBulk;
}

// Pools have one size, and rte_fastmem.h ends at 1 MiB.
bool is_large(const ScenarioInfo& info) { return info.kind == Kind::kLargePair || info.kind == Kind::kLargeSet; }
bool is_beyond_rte_fastmem(const ScenarioInfo& info) {
  return info.kind == Kind::kLargeSet || (info.kind == Kind::kLargePair && info.size > 1 << 20);
}

TEST_CASE("every scenario runs on plain pages") {
  const std::string json = scratch("dpdk_bench.json");
  const Run run = run_bench("--quick --runs 1 --no-huge --json " + json);
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(contains(run.output, "rte_fastmem does what is asked in "));
  const std::string results = read(json);
  for (const ScenarioInfo& info : dpdk_catalogue()) {
    if (takes_two_cpus(info) && contains(run.output, " on 1 CPUs;")) continue;
    INFO(info.name);
    CHECK(has_cell(results, info.name, kFastmem));
    CHECK(has_cell(results, info.name, kRteFastmem) == !is_beyond_rte_fastmem(info));
    CHECK(has_cell(results, info.name, kPool) == (info.kind != Kind::kFirstAllocation && !is_large(info)));
  }
}

TEST_CASE("a filter chooses scenarios") {
  const std::string json = scratch("dpdk_bench_filtered.json");
  CHECK(run_bench("--quick --runs=1 --no-huge --json=" + json + " '^handle/64$'").status == 0);
  const std::string results = read(json);
  CHECK(has_cell(results, "handle/64", kFastmem));
  CHECK_FALSE(contains(results, "handle/256"));
}

TEST_CASE("mistakes are named before anything runs") {
  CHECK(contains(run_bench("--fast").output, "unknown option --fast"));
  CHECK(contains(run_bench("--runs 0").output, "--runs takes"));
  CHECK(contains(run_bench("no-such-scenario").output, "no scenario matches 'no-such-scenario'"));
  CHECK(run_bench("no-such-scenario").status == 2);
}

}  // namespace
}  // namespace bench
