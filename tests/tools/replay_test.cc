// SPDX-License-Identifier: BSD-3-Clause
// `fastmem replay` as a user calls it, on every allocator that is installed.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/skip.h"
#include "tests/tools/programs.h"
#include "tools/trace/writer.h"

using namespace fastmem::tools;
using namespace fastmem::test;

namespace {

// Two threads; the second frees what the first makes. Some objects are larger than fastmem serves, some move across.
TraceWriter small_trace() {
  TraceWriter writer("a program");
  std::uint64_t address = 0x100000;
  for (int i = 0; i < 20000; ++i) {
    writer.alloc(0, 24 + static_cast<std::uint64_t>(i % 500), address + 4096 * static_cast<std::uint64_t>(i));
    if (i >= 50) writer.free(1, address + 4096 * static_cast<std::uint64_t>(i - 50));
  }
  address += 4096 * 30000;
  for (std::uint64_t i = 0; i < 2; ++i) {
    const std::uint64_t here = address + i * (std::uint64_t{1} << 28);
    writer.alloc(0, std::uint64_t{96} << 20, here, i % 2 == 0 ? Event::kAlloc : Event::kCalloc);
    writer.realloc(1, here, 5000, here + 4096);
    writer.realloc(0, here + 4096, std::uint64_t{80} << 20, here);
    writer.free(1, here);
  }
  writer.aligned(0, 4096, 100, address);
  writer.aligned(1, 64, 1, address + 8192);
  writer.alloc(0, 0, address + 16384);
  return writer;
}

std::string command() { return program("FASTMEM"); }

}  // namespace

TEST_CASE("all allocators: a table, and the same figures as JSON") {
  Temporary folder;
  REQUIRE(small_trace().save(folder / "small.trace"));
  const Ran ran = run(folder, command() + " replay " + shell_quoted(folder / "small.trace") + " --runs 2 --json " +
                                  shell_quoted(folder / "out.json"));
  CAPTURE(ran.out);
  CAPTURE(ran.err);
  CHECK(ran.status == 0);
  CHECK(contains(ran.out, "small: a program"));
  for (const char* name : {"fastmem", "glibc", "jemalloc", "mimalloc", "tcmalloc"}) {
    CAPTURE(name);
    CHECK(contains(ran.out, name));
  }
  CHECK_FALSE(contains(ran.out, "failed"));
  CHECK(contains(ran.out, "objects above"));
  const std::string json = read_text(folder / "out.json");
  CHECK(contains(json, "\"name\": \"fastmem\", \"installed\": true"));
  CHECK(contains(json, "\"large_objects\": "));
  CHECK(contains(json, "\"peak_rss\": "));
}

TEST_CASE("only the named allocators are played, in that order") {
  Temporary folder;
  REQUIRE(small_trace().save(folder / "small.trace"));
  const Ran ran = run(
      folder, command() + " replay " + shell_quoted(folder / "small.trace") + " --runs 1 --allocators glibc,fastmem");
  CHECK(ran.status == 0);
  CHECK(ran.out.find("  glibc ") < ran.out.find("  fastmem "));
  CHECK_FALSE(contains(ran.out, "jemalloc"));
}

// Hides a library from ld.so in a mount namespace of its own.
TEST_CASE("an allocator that is not installed is named in its row") {
  const std::string library = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
  const std::string hide = "unshare -rm sh -c 'mount --bind /dev/null " + library + " && exec \"$@\"' sh ";
  if (std::system((hide + "true >/dev/null 2>&1").c_str()) != 0) FM_SKIP("no mount namespaces here, or no jemalloc");
  Temporary folder;
  REQUIRE(small_trace().save(folder / "small.trace"));
  const Ran ran = run(folder, hide + command() + " replay " + shell_quoted(folder / "small.trace") +
                                  " --runs 1 --allocators glibc,jemalloc");
  CAPTURE(ran.err);
  CHECK(ran.status == 0);
  CHECK(contains(ran.out, "jemalloc   not installed (package libjemalloc2)"));
  CHECK_FALSE(contains(ran.err, "preload"));
}

TEST_CASE("a recorded program can be replayed") {
  Temporary folder;
  const Ran recorded =
      run(folder, command() + " record -o " + shell_quoted(folder / "t") + " -- " + program("PROGRAM") + " threads");
  CAPTURE(recorded.err);
  CHECK(recorded.status == 0);
  CHECK(contains(recorded.err, "5 threads"));
  const Ran ran =
      run(folder, command() + " replay " + shell_quoted(folder / "t") + " --runs 1 --allocators fastmem,glibc");
  CAPTURE(ran.out);
  CHECK(ran.status == 0);
  CHECK(contains(ran.out, "5 threads"));
  const Ran info = run(folder, command() + " trace-info " + shell_quoted(folder / "t"));
  CHECK(info.status == 0);
  CHECK(contains(info.out, "threads:      5"));
  CHECK(contains(info.out, "80,"));
}

TEST_CASE("without gnuplot the table is there, and the message says what to install") {
  Temporary folder;
  REQUIRE(small_trace().save(folder / "small.trace"));
  const Ran ran = run(folder, "PATH=/nowhere " + command() + " replay " + shell_quoted(folder / "small.trace") +
                                  " --runs 1 --allocators glibc --svg " + shell_quoted(folder / "x.svg"));
  CHECK(ran.status == 1);
  CHECK(contains(ran.out, "glibc"));
  CHECK(contains(ran.err, "apt-get install gnuplot-nox"));
}

TEST_CASE("pictures are drawn, also to names with quotes and blanks") {
  if (std::system("command -v gnuplot >/dev/null") != 0) FM_SKIP("gnuplot is not installed");
  Temporary folder;
  REQUIRE(small_trace().save(folder / "it's small.trace"));
  const Ran ran = run(folder, command() + " replay " + shell_quoted(folder / "it's small.trace") +
                                  " --runs 1 --allocators glibc,fastmem --svg " + shell_quoted(folder / "it's a.svg") +
                                  " --png " + shell_quoted(folder / "a b.png"));
  CAPTURE(ran.err);
  CHECK(ran.status == 0);
  CHECK(contains(read_text(folder / "it's a.svg"), "peak RSS"));
  CHECK(read_text(folder / "a b.png").compare(1, 3, "PNG") == 0);
}
