// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/scale_model_test.cc: what the model replays, where it says that a curve bends, and what gnuplot is given.
#include <doctest/doctest.h>

#include <sstream>

#include "bench/scale_model/costs.h"
#include "bench/scale_model/curve.h"
#include "bench/scale_model/draw.h"
#include "bench/scale_model/options.h"

namespace bench::scale {
namespace {

Costs some_costs() {
  return {.hit = 2,
          .lock = 14,
          .miss_alloc = 50,
          .miss_free = 60,
          .exchange_alloc = 4,
          .exchange_free = 6,
          .overflow = 700,
          .overflow_scattered = 800,
          .refill = 110,
          .refill_crumbs = 270,
          .new_slab = 15,
          .page_take = 30,
          .page_give = 15,
          .line = 80,
          .magazine = 270,
          .far_times = 2.5};
}

const Workload kSteady{.name = "", .pattern = Pattern::kChurn};
const Workload kCrossing{.name = "", .pattern = Pattern::kPairs, .burst = 128};
const Workload kAnybody{.name = "", .pattern = Pattern::kRemote, .burst = 512, .scattered = true};

TEST_CASE("a core alone costs its hits, its misses and its trips to the depot") {
  // A burst of 1024: 128 and 128 from the caches, the other six magazines from the depot, and back.
  const double round = 2048 * 2 + 7 * (50 + 60) + 6 * (4 + 14) + 6 * (6 + 14);
  const Outcome outcome = replay(kSteady, {1, 1}, some_costs());
  CHECK(outcome.ns_per_object == doctest::Approx(round / 1024).epsilon(0.01));
  CHECK(outcome.misses == doctest::Approx(12.0 / 2048).epsilon(0.02));
  CHECK(outcome.waiting == 0);
  CHECK(outcome.moving == 0);
}

TEST_CASE("a core per node is as fast as one alone: nodes share nothing") {
  const double alone = replay(kSteady, {1, 1}, some_costs()).ns_per_object;
  CHECK(replay(kSteady, {8, 8}, some_costs()).ns_per_object == doctest::Approx(alone).epsilon(0.02));
}

TEST_CASE("when the bin's lock saturates, all cores together are as fast as it lets them: half the cores, twice each") {
  const Outcome some = replay(kCrossing, {64, 1}, some_costs());
  const Outcome twice = replay(kCrossing, {128, 1}, some_costs());
  CHECK(some.bin_busy > 0.99);
  CHECK(twice.ns_per_object == doctest::Approx(2 * some.ns_per_object).epsilon(0.03));
  // Two trips for a magazine's 128 objects, each with three lines on their way.
  CHECK(some.ns_per_object / 64 == doctest::Approx((2 * (3 * 80 + 14) + 4 + 6) / 128.0).epsilon(0.05));
}

TEST_CASE("the same seed gives the same result, another one hardly another") {
  const Outcome once = replay(kAnybody, {16, 2}, some_costs(), 7);
  const Outcome again = replay(kAnybody, {16, 2}, some_costs(), 7);
  const Outcome other = replay(kAnybody, {16, 2}, some_costs(), 8);
  CHECK(once.ns_per_object == again.ns_per_object);
  CHECK(once.waiting == again.waiting);
  CHECK(once.ns_per_object != other.ns_per_object);
  CHECK(other.ns_per_object == doctest::Approx(once.ns_per_object).epsilon(0.25));
}

TEST_CASE("far lines make remote frees slower, and leave a single node alone") {
  Costs far = some_costs();
  far.far_times = 10;
  CHECK(replay(kAnybody, {8, 2}, far).ns_per_object > 1.5 * replay(kAnybody, {8, 2}, some_costs()).ns_per_object);
  CHECK(replay(kAnybody, {8, 1}, far).ns_per_object == replay(kAnybody, {8, 1}, some_costs()).ns_per_object);
}

TEST_CASE("random sets cost a core what its program needs, and the hits") {
  Workload sets{.name = "", .pattern = Pattern::kSets, .app_ns = 1000};
  CHECK(replay(sets, {1, 1}, some_costs()).ns_per_object == doctest::Approx(1004).epsilon(0.01));
}

TEST_CASE("a curve bends where a core first falls below nine tenths, by nodes") {
  Curve curve{.workload = kSteady, .points = {}};
  curve.points = {{{2, 1}, {}, 1.0}, {{4, 1}, {}, 0.89}, {{8, 1}, {}, 0.95}, {{4, 2}, {}, 0.9}};
  REQUIRE(bend(curve, 1) != nullptr);
  CHECK(bend(curve, 1)->shape.cores == 4);
  CHECK(bend(curve, 2) == nullptr);
  CHECK(bend(curve, 4) == nullptr);
}

TEST_CASE("why: the busiest lock when one saturates, else the lines") {
  Outcome outcome{.bin_busy = 0.97, .node_busy = 0.3, .held = {0.2, 0.1, 0.7}};
  CHECK(why(outcome) ==
        "the bin's lock is busy 97 %; its lines move 0 % of that; held for the depot's overflow (70 %)");
  outcome.node_busy = 0.98;
  CHECK(why(outcome) == "the node's lock is busy 98 %");
  CHECK(why({.bin_busy = 0.5, .moving = 0.4}) ==
        "lines fetched from other cores take 40 % of the time; no lock is busy more than 50 %");
}

TEST_CASE("costs are read as they were written") {
  std::stringstream file;
  Costs costs = some_costs();
  costs.machine = "a machine, 2 CPUs";
  write_costs(file, costs);
  Costs read;
  CHECK(read_costs(file, read) == "");
  CHECK(read.machine == costs.machine);
  CHECK(read.refill_crumbs == 270);
  CHECK(read.far_times == 2.5);
}

TEST_CASE("what is wrong with a file of costs is named") {
  const auto wrong = [](const std::string& text) {
    std::istringstream file(text);
    Costs costs;
    return read_costs(file, costs);
  };
  CHECK(wrong("hit 2\nhits 3\n") == "no cost is called 'hits'");
  CHECK(wrong("hit fast\n") == "hit needs a number of nanoseconds");
  CHECK(wrong("hit -1\n") == "hit needs a number of nanoseconds");
  CHECK(wrong("hit 1\nhit 1\n") == "hit is there twice");
  CHECK(wrong("hit 1  # two lines\n\n") == "lock is missing");
}

TEST_CASE("gnuplot gets every point, and quotes as it wants them") {
  const Curve curve{.workload = {.name = "a core's own", .pattern = Pattern::kChurn},
                    .points = {{{2, 1}, {}, 0.5}, {{256, 8}, {}, 0.25}}};
  const std::string script = plot_script({curve}, "svg", "it's.svg");
  const auto has = [&](const char* text) { return script.find(text) != std::string::npos; };
  CHECK(has("$c0n1 << EOD\n2 0.5\nEOD\n"));
  CHECK(has("$c0n8 << EOD\n256 0.25\nEOD\n"));
  CHECK(has("set output 'it''s.svg'"));
  CHECK(has("set title 'a core''s own' noenhanced"));
}

TEST_CASE("mistakes on the command line are named") {
  const auto wrong = [](std::vector<const char*> words) {
    words.insert(words.begin(), "scale_model");
    Options options;
    return parse(static_cast<int>(words.size()), const_cast<char**>(words.data()), options);
  };
  CHECK(wrong({"--costs", "file", "--far", "3", "--model-only"}) == "");
  CHECK(wrong({}) == "--costs FILE is missing");
  CHECK(wrong({"--costs"}) == "--costs needs a value");
  CHECK(wrong({"--costs", "file", "--far", "0.5"}) == "--far takes 1 .. 100");
  CHECK(wrong({"--cost", "file"}) == "unknown option --cost");
}

}  // namespace
}  // namespace bench::scale
