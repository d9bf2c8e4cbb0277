// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/results_test.cc: what the bench makes of its measurements, before anybody believes it.
#include <doctest/doctest.h>

#include <sstream>

#include "bench/call_demands.h"
#include "bench/catalogue.h"
#include "bench/json.h"
#include "bench/stats.h"
#include "bench/table.h"
#include "bench/verdict.h"

namespace bench {
namespace {

Cell cell(const std::string& allocator, double cycles) {
  Cell made;
  made.allocator = allocator;
  made.cycles = {cycles, cycles, cycles};
  return made;
}

Row row(const std::string& scenario, double ours, double glibc, double jemalloc) {
  return {.scenario = *find_scenario(scenario),
          .cells = {cell("fastmem", ours), cell("glibc", glibc), cell("jemalloc", jemalloc)}};
}

TEST_CASE("quantiles lie between the runs") {
  CHECK(median({3, 1, 2}) == doctest::Approx(2));
  CHECK(median({1, 2, 3, 4}) == doctest::Approx(2.5));
  CHECK(quantile({1, 2, 3, 4, 5}, 0.9) == doctest::Approx(4.6));
  CHECK(quantile({}, 0.5) == 0);
}

TEST_CASE("equal runs have no spread") {
  CHECK(spread({7, 7, 7}) == 0);
  CHECK(spread({8, 9, 10, 11, 12}) == doctest::Approx(0.32));
}

TEST_CASE("numbers keep three digits and stay short") {
  CHECK(short_number(5.724) == "5.72");
  CHECK(short_number(9.996) == "10.0");
  CHECK(short_number(57.24) == "57.2");
  CHECK(short_number(9'999) == "9999");
  CHECK(short_number(12'345) == "12.3k");
  CHECK(short_number(999'499) == "999k");
  CHECK(short_number(1'234'567) == "1.23M");
}

TEST_CASE("pair is judged against glibc and against the best") {
  CHECK(judge(row("pair/64", 5, 10, 6.25)).answer() == Verdict::Answer::kMet);
  CHECK(judge(row("pair/64", 5, 9.9, 6.25)).answer() == Verdict::Answer::kShort);
  CHECK(judge(row("pair/64", 5, 10, 6.2)).answer() == Verdict::Answer::kShort);
  CHECK(judge(row("pair/65536", 5, 1, 1)).answer() == Verdict::Answer::kNothingAsked);
}

TEST_CASE("faster than all means faster") {
  CHECK(judge(row("random-small", 9.9, 20, 10)).answer() == Verdict::Answer::kMet);
  CHECK(judge(row("random-small", 10, 20, 10)).answer() == Verdict::Answer::kShort);
}

TEST_CASE("an object that changes threads takes at most 0.6 of the best") {
  CHECK(judge(row("pipe/1-1", 6, 20, 10)).answer() == Verdict::Answer::kMet);
  CHECK(judge(row("pipe32/ring4", 6.1, 20, 10)).answer() == Verdict::Answer::kShort);
}

TEST_CASE("threads are judged against one thread, by the CPUs they have") {
  const std::vector<Row> one = {row("threads/1", 9, 10, 10)};
  const auto judged = [&](double ours, std::size_t cpus) {
    Row eight = row("threads/8", ours, 50, 50);
    compare_with_one_thread(eight, one, cpus);
    return judge(eight);
  };
  CHECK(judged(5, 2).answer() == Verdict::Answer::kMet);
  CHECK(*judged(5, 2).per_core == doctest::Approx(0.9));
  CHECK(judged(5.1, 2).answer() == Verdict::Answer::kShort);
  CHECK(judged(5.1, 2).beside_others == Verdict::Answer::kMet);
  CHECK(judged(10, 1).answer() == Verdict::Answer::kMet);
  CHECK(judged(1.25, 64).answer() == Verdict::Answer::kMet);  // eight threads use eight of them
  CHECK(judged(1.26, 64).answer() == Verdict::Answer::kShort);
  CHECK(judged(51, 1).answer() == Verdict::Answer::kShort);
}

TEST_CASE("without one thread's figure nothing is said of several") {
  Row two = row("threads/2", 5, 10, 10);
  compare_with_one_thread(two, {row("pair/64", 5, 10, 10)}, 2);
  CHECK(judge(two).answer() == Verdict::Answer::kUnknown);
  CHECK(judge(two).beside_others == Verdict::Answer::kMet);
  CHECK_FALSE(judge(two).per_core);
}

TEST_CASE("the best is the cheapest of the others, and who is absent is named") {
  const Verdict verdict = judge(row("burst32-lifo/64", 9, 10, 12));
  CHECK(verdict.best == "glibc");
  CHECK(*verdict.of_best == doctest::Approx(0.9));
  CHECK(verdict.missing == "mimalloc, tcmalloc");
}

TEST_CASE("without fastmem's figure nothing is judged") {
  Row unknown = row("pair/64", 5, 10, 6.25);
  unknown.cells.front().state = CellState::kFailed;
  CHECK(judge(unknown).answer() == Verdict::Answer::kUnknown);
}

TEST_CASE("C functions cost at most two cycles more than the core's, out of line and where they are") {
  const auto found = [](const std::string& scenario, double cycles, const std::string& core) {
    const auto about = demands_on(call_demands(), {row(scenario, cycles, 50, 50)});
    REQUIRE(about.size() == 1);
    CHECK(about.front().text() == scenario + ", cycles over " + core);
    return judge(about.front(), "fastmem", {row(core, 5, 50, 50), row(scenario, cycles, 50, 50)}, 2.0);
  };
  CHECK(found("pair-c/64", 7, "pair-called/64").answer == Finding::Answer::kMet);
  CHECK(found("pair-c/64", 7.1, "pair-called/64").answer == Finding::Answer::kShort);
  CHECK(found("handle-c/256", 6.5, "handle-called/256").figure == doctest::Approx(1.5));
  CHECK(found("pair-plugin/1024", 4, "plugin-called/1024").answer == Finding::Answer::kMet);
  CHECK(demands_on(call_demands(), {row("pair-c/8", 5, 50, 50), row("pair/64", 5, 50, 50)}).empty());
}

TEST_CASE("a filter is a part of a name or a regular expression") {
  CHECK(select_scenarios("").size() == catalogue().size());
  CHECK(select_scenarios("burst32-lifo").size() == 6);
  CHECK(select_scenarios("^threads/[12]$").size() == 2);
  CHECK(select_scenarios("no such scenario").empty());
  CHECK(select_scenarios("pair/(").empty());
}

TEST_CASE("what was not measured is not in the JSON") {
  Row measured = row("pair/64", 5, 10, 6.25);
  measured.cells.back().state = CellState::kNotInstalled;
  std::ostringstream out;
  write_json(out, {measured}, 2.0);
  CHECK(out.str() ==
        "[\n"
        "  {\"scenario\": \"pair/64\", \"allocator\": \"fastmem\", \"cycles\": 5.0000, \"ns\": 2.5000, \"rss_kib\": 0, "
        "\"runs\": 3, \"spread\": 0.0000},\n"
        "  {\"scenario\": \"pair/64\", \"allocator\": \"glibc\", \"cycles\": 10.0000, \"ns\": 5.0000, \"rss_kib\": 0, "
        "\"runs\": 3, \"spread\": 0.0000}\n"
        "]\n");
}

}  // namespace
}  // namespace bench
