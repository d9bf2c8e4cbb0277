// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/memory_test.cc: what the bench makes of memory: sizes, what counts as held, the rows of a footprint run.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "bench/footprint_rows.h"
#include "bench/held.h"
#include "bench/json.h"
#include "bench/machine.h"
#include "bench/size_mix.h"
#include "bench/verdict.h"

namespace bench {
namespace {

std::vector<std::size_t> draw(const SizeMix& mix, std::size_t n) {
  Random random(kSeed);
  std::vector<std::size_t> sizes(n);
  for (std::size_t& size : sizes) size = mix.draw(random);
  return sizes;
}

double mean(const std::vector<std::size_t>& sizes) {
  double sum = 0;
  for (const std::size_t size : sizes) sum += static_cast<double>(size);
  return sum / static_cast<double>(sizes.size());
}

TEST_CASE("sizes are as a mix says") {
  constexpr std::size_t kDrawn = 1'000'000;
  for (const SizeMix& mix : {SizeMix(Mix::kUniform), SizeMix(Mix::kUniform, 512), SizeMix(Mix::kTraced)}) {
    CHECK(mean(draw(mix, kDrawn)) == doctest::Approx(mix.mean()).epsilon(0.05));
  }
  const SizeMix power(Mix::kPowerLaw);
  const std::vector<std::size_t> sizes = draw(power, kDrawn);
  CHECK(mean(sizes) == doctest::Approx(power.mean()).epsilon(0.15));  // a few large ones make much of it
  double from = 1;
  for (std::size_t doubling = kSmallest; doubling < SizeMix::kPowerLargest / 64; doubling *= 2) {
    std::size_t within = 0;
    for (const std::size_t size : sizes) within += size >= doubling && size < 2 * doubling ? 1 : 0;
    CHECK(static_cast<double>(within) / kDrawn == doctest::Approx(from / 2).epsilon(0.1));
    from /= 2;
  }
  for (const std::size_t size : sizes) {
    if (size < kSmallest || size > SizeMix::kPowerLargest) FAIL(size);
  }
}

TEST_CASE("memory that no file is behind counts as held, and hugetlb pages") {
  const char text[] =
      "00400000-00401000 r-xp 00000000 fe:00 42        /usr/bin/program\n"
      "Rss:                   4 kB\n"
      "Anonymous:             1 kB\n"
      "00600000-00601000 rw-p 00000000 00:00 0         [heap]\n"
      "Rss:                  10 kB\n"
      "Anonymous:            10 kB\n"
      "7f0000000000-7f0000200000 rw-p 00000000 00:00 0 \n"
      "Anonymous:           100 kB\n"
      "7f0000200000-7f0000400000 rw-p 00000000 00:00 0 [anon:arena]\n"
      "Anonymous:          1000 kB\n"
      "7f0000400000-7f0000600000 rw-p 00000000 00:0f 7 /anon_hugepage (deleted)\n"
      "Anonymous:             0 kB\n"
      "Private_Hugetlb:    2048 kB\n"
      "7fff00000000-7fff00001000 rw-p 00000000 00:00 0 [stack]\n"
      "Anonymous:             8 kB\n"
      "VmFlags: rd wr mr mw me ac\n";
  for (const std::size_t piece : {sizeof text, std::size_t{7}}) {
    HeldCounter counter;
    for (std::size_t at = 0; at + 1 < sizeof text; at += piece) {
      counter.read(text + at, std::min(piece, sizeof text - 1 - at));
    }
    CHECK(counter.kib() == 10 + 100 + 1000 + 2048);
  }
}

TEST_CASE("touched memory is held, and given back it is not") {
  if (held_bytes() == 0) return;  // the kernel does not say
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const std::uint64_t before = held_bytes();
  {
    const Books<char> books(kBytes);
    CHECK(held_bytes() >= before + kBytes);
  }
  CHECK(held_bytes() < before + kBytes / 2);
}

Footprint reading(double live, double held, double backing = 0, double metadata = 0) {
  return {.cycles = 5, .live = live, .held = held, .backing = backing, .metadata = metadata};
}

Cell cell(const char* allocator, const Footprint& grown, const Footprint& freed) {
  Cell made;
  made.allocator = allocator;
  made.cycles = {0};
  made.grown = {grown};
  made.freed = {freed};
  return made;
}

std::vector<Row> rows(double ours) {
  return rows_of({.scenario = *find_scenario("footprint/uniform/1k"),
                  .cells = {cell("fastmem", reading(100, ours, 200, 1), reading(10, 90, 200, 3)),
                            cell("glibc", reading(100, 100), reading(10, 100)),
                            cell("jemalloc", reading(100, 110), reading(10, 85))}});
}

TEST_CASE("a footprint run makes three rows, each with what is asked of it") {
  const std::vector<Row> all = rows(105);
  REQUIRE(all.size() == 3);
  CHECK(all[1].scenario.name == "footprint/uniform/1k/freed");
  CHECK(all[2].scenario.name == "footprint/uniform/1k/books");

  const Verdict grown = judge(all[0]);
  CHECK(*grown.of_glibc == doctest::Approx(1.05));
  CHECK(*grown.of_best == doctest::Approx(105.0 / 110));  // glibc is not among them
  CHECK(grown.best == "jemalloc");
  CHECK(grown.answer() == Verdict::Answer::kMet);
  CHECK(judge(rows(106)[0]).answer() == Verdict::Answer::kShort);

  const Verdict freed = judge(all[1]);
  CHECK(*freed.of_glibc == doctest::Approx(0.9));
  CHECK(freed.answer() == Verdict::Answer::kShort);  // 90 of 85

  const Verdict books = judge(all[2]);
  CHECK(*books.figure == doctest::Approx(1.5));
  CHECK(books.answer() == Verdict::Answer::kShort);
  CHECK_FALSE(all[2].find("glibc")->measured());
}

TEST_CASE("the rows of a footprint run are in the JSON, each with its own figure") {
  std::ostringstream out;
  write_json(out, rows(105), 2.0);
  const std::string text = out.str();
  CHECK(text.find("\"footprint/uniform/1k\", \"allocator\": \"fastmem\"") != std::string::npos);
  CHECK(text.find("\"rss_per_live\": 1.0500, \"backing_per_live\": 2.0000}") != std::string::npos);
  CHECK(text.find("\"rss_per_live\": 8.5000}") != std::string::npos);
  CHECK(text.find("\"metadata_percent\": 1.5000}") != std::string::npos);
}

TEST_CASE("other scenarios keep their one row") {
  CHECK(rows_of({.scenario = *find_scenario("pair/64"), .cells = {}}).size() == 1);
}

}  // namespace
}  // namespace bench
