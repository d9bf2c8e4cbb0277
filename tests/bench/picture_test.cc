// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/picture_test.cc: what of the results is drawn, and what gnuplot is told.
#include "bench/picture.h"

#include <doctest/doctest.h>

#include <optional>

#include "bench/dpdk/dpdk_catalogue.h"
#include "bench/dpdk/dpdk_drawing.h"
#include "bench/drawing.h"

namespace bench {
namespace {

Cell cell(const std::string& allocator, double cycles) {
  Cell made;
  made.allocator = allocator;
  made.cycles = {cycles, cycles, cycles};
  made.of_memory = made.cycles;
  return made;
}

// Scenarios of any name: families come and go.
Row row(const std::string& name, std::vector<Cell> cells, std::optional<double> asked = {}, bool memory = false) {
  ScenarioInfo info{.name = name, .kind = Kind::kPair, .judge_memory = memory};
  info.asked.of_best = asked;
  return {.scenario = info, .cells = std::move(cells)};
}

const Panel& time_panel(const Picture& picture) { return picture.panels[0]; }
const Panel& memory_panel(const Picture& picture) { return picture.panels[1]; }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("the family is the name before the first slash, of memory what follows, without numbers") {
  CHECK(family_of({.name = "many-threads", .kind = Kind::kPair}) == "many-threads");
  CHECK(family_of({.name = "pipe/1-3", .kind = Kind::kPair}) == "pipe");
  CHECK(family_of({.name = "random/live/1M", .kind = Kind::kPair}) == "random");
  CHECK(family_of({.name = "footprint/uniform/1k", .kind = Kind::kPair, .judge_memory = true}) == "uniform");
  CHECK(family_of({.name = "footprint/power-law/10M/freed", .kind = Kind::kPair, .judge_memory = true}) ==
        "power-law/freed");
  CHECK(family_of({.name = "footprint/1k", .kind = Kind::kPair, .judge_memory = true}) == "footprint");
  CHECK(family_of({.name = "footprint", .kind = Kind::kPair, .judge_memory = true}) == "footprint");
}

TEST_CASE("bars are geometric means of the ratios to the best of the others") {
  const Picture picture = picture_of({row("pipe/1-1", {cell("fastmem", 5), cell("glibc", 40), cell("tcmalloc", 10)}),
                                      row("pipe/1-3", {cell("fastmem", 20), cell("glibc", 10), cell("tcmalloc", 40)})});
  REQUIRE(time_panel(picture).groups.size() == 1);
  const BarGroup& pipe = time_panel(picture).groups.front();
  CHECK(pipe.name == "pipe");
  REQUIRE(picture.series.size() == 5);
  CHECK(picture.series[0].name == "fastmem");
  CHECK(*pipe.ratios[0] == doctest::Approx(1));  // 0.5 and 2
  CHECK(*pipe.ratios[1] == doctest::Approx(2));  // glibc: 4 and 1
  CHECK_FALSE(pipe.ratios[2]);                   // jemalloc
  CHECK(*pipe.ratios[4] == doctest::Approx(2));  // tcmalloc: 1 and 4
  CHECK(pipe.figure == "5.00 – 20.0 cycles");
}

TEST_CASE("what is asked, and how often it is done") {
  const Picture picture = picture_of({row("larson/1", {cell("fastmem", 5), cell("glibc", 10)}, 0.6),
                                      row("larson/2", {cell("fastmem", 7), cell("glibc", 10)}, 0.6),
                                      row("larson/4", {cell("fastmem", 7), cell("glibc", 10)})});
  const BarGroup& larson = time_panel(picture).groups.at(0);
  CHECK(*larson.asked == doctest::Approx(0.6));
  CHECK(larson.met == 1);
  CHECK(larson.judged == 2);
  CHECK_FALSE(time_panel(picture_of({row("x", {cell("fastmem", 5), cell("glibc", 10)})})).groups.at(0).asked);
}

TEST_CASE("memory has a panel of its own, and is compared by memory") {
  const Picture picture = picture_of({row("pair/8", {cell("fastmem", 5), cell("glibc", 10)}),
                                      row("footprint/uniform/1k", {cell("fastmem", 1.2), cell("glibc", 1)}, 1.0, true),
                                      row("footprint/traced/1k", {cell("fastmem", 1), cell("glibc", 1)}, 1.0, true)});
  CHECK(time_panel(picture).groups.size() == 1);
  REQUIRE(memory_panel(picture).groups.size() == 2);
  CHECK(memory_panel(picture).groups[0].name == "uniform");
  CHECK(*memory_panel(picture).groups[0].ratios[0] == doctest::Approx(1.2));
  CHECK(memory_panel(picture).groups[0].figure == "1.20 B");
  CHECK(memory_panel(picture).groups[0].met == 0);
  CHECK(memory_panel(picture).groups[1].met == 1);
}

TEST_CASE("without others there is nothing to draw") {
  CHECK(picture_of({row("exchange/64", {cell("fastmem", 5)})}).empty());
  CHECK(picture_of({}).empty());
}

TEST_CASE("DPDK's yardstick is the pool") {
  const Picture picture =
      dpdk_picture_of({{.scenario = select_scenarios(dpdk_catalogue(), "^handle/64$").at(0),
                        .cells = {cell(kFastmem, 3), cell(kRteFastmem, 8), cell(kPool, 10), cell(kRteMalloc, 200)}}},
                      2.0);
  const BarGroup& handle = time_panel(picture).groups.at(0);
  CHECK(*handle.ratios[0] == doctest::Approx(0.3));
  CHECK(*handle.asked == doctest::Approx(0.3));
  CHECK(handle.met == 1);
  CHECK(handle.judged == 1);
}

TEST_CASE("gnuplot reads names as they are") {
  const Picture picture = picture_of({row("it's_50%/8", {cell("fastmem", 5), cell("glibc", 10)}, 0.8)});
  const std::string commands = gnuplot_commands(picture, "svg", "/tmp/it's.svg");
  CHECK(contains(commands, "set output '/tmp/it''s.svg'\n"));
  CHECK(contains(commands, "set label 'it''s_50%' at graph 0,"));
  CHECK(contains(commands, "set terminal svg size "));
  CHECK(contains(commands, "background rgb 'white'"));
}

TEST_CASE("bars begin at 1, on an axis that fits; what is beyond ends in an arrow") {
  const auto commands = [](double ours, double glibc) {
    return gnuplot_commands(
        picture_of({row("pair/8", {cell("fastmem", ours), cell("glibc", 10), cell("tcmalloc", glibc)})}), "svg",
        "x.svg");
  };
  const std::string near = commands(9, 11);
  CHECK(contains(near, "set xrange [0.7992:1.25125]"));
  CHECK(contains(near, "\n1 "));
  CHECK_FALSE(contains(near, "▶"));
  CHECK(contains(commands(3, 30), "set xrange [0.24975:4.004]"));
  const std::string far = commands(0.1, 900);
  CHECK(contains(far, "'▶'"));
  CHECK(contains(far, "'◀'"));
}

}  // namespace
}  // namespace bench
