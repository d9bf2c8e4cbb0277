// SPDX-License-Identifier: BSD-3-Clause
// The recorder in a real program: nothing that it allocates is missing, whatever ends it.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/tools/programs.h"
#include "tools/trace/reader.h"
#include "tools/trace/summary.h"

using namespace fastmem::tools;
using namespace fastmem::test;

namespace {

struct Recorded {
  bool readable = false;
  std::string error;
  bool cut = false;
  bool ended = false;
  std::uint32_t threads = 0;
  std::string command;
  TraceSummary sum;
  std::map<std::uint64_t, int> sizes;  // allocations by size
  std::map<unsigned, int> alignments;  // aligned ones by log2
  int frees = 0;
};

Recorded read(const std::string& path) {
  Recorded r;
  TraceReader reader;
  r.readable = reader.open(path.c_str());
  r.error = reader.error();
  if (!r.readable) return r;
  r.cut = reader.cut();
  r.ended = reader.header().ended != 0;
  r.threads = reader.threads();
  r.command = reader.header().command;
  r.sum = summarize(reader);
  TraceEvent event;
  while (reader.next(event)) {
    const bool release = event.event == Event::kFree || event.event == Event::kReallocBegin;
    if (release) ++r.frees;
    if (!release && event.size != 0) ++r.sizes[event.size];
    if (event.event == Event::kAligned) ++r.alignments[event.align_log2];
  }
  return r;
}

Ran record(const Temporary& folder, const std::string& mode, const std::string& environment = "") {
  return run(folder, "FASTMEM_TRACE=" + shell_quoted(folder / "t") + " LD_PRELOAD=" + program("RECORDER") + " " +
                         environment + " exec " + program("PROGRAM") + " " + mode);
}

std::vector<std::string> others(const Temporary& folder) {
  std::vector<std::string> found = folder.files();
  std::erase(found, folder / "t");
  return found;
}

}  // namespace

TEST_CASE("threads: every object, in an order in which no address is used twice") {
  Temporary folder;
  const Ran ran = record(folder, "threads");
  CHECK(ran.status == 0);
  CHECK(ran.err == "");
  const Recorded r = read(folder / "t");
  REQUIRE_MESSAGE(r.readable, r.error);
  CHECK(r.ended);
  CHECK(r.threads == 5);
  CHECK(contains(r.command, "threads"));
  CHECK(r.sizes.at(3333) == 4000);
  CHECK(r.sizes.at(1777) == 80000);
  CHECK(r.sum.lost_frees == 0);
  CHECK(r.sum.unknown_frees == 0);
  CHECK(r.sum.cross_thread_frees >= 4000);
  const auto bytes = std::filesystem::file_size(folder / "t");
  CHECK(bytes < 168000 * 6 + (6 * kChunkBytes) + kHeaderBytes);
}

TEST_CASE("every function is recorded") {
  Temporary folder;
  CHECK(record(folder, "functions").status == 0);
  const Recorded r = read(folder / "t");
  REQUIRE_MESSAGE(r.readable, r.error);
  for (const std::uint64_t size : {1001, 1002, 1003, 1004, 1005, 100000, 300000}) {
    CAPTURE(size);
    CHECK(r.sizes.count(size) == 1);
  }
  CHECK(r.sizes.at(7 * 143) >= 1);
  CHECK(r.alignments.at(8) == 1);
  CHECK(r.alignments.at(9) == 1);
  CHECK(r.alignments.at(7) == 1);
  CHECK(r.alignments.at(12) == 1);
  CHECK(r.sizes.count(SIZE_MAX / 2) == 0);
  CHECK(r.sum.by_kind[static_cast<std::size_t>(OpKind::kRealloc)] >= 2);
}

TEST_CASE("the trace is whole after kill -9, abort and _exit") {
  const std::pair<const char*, int> endings[] = {{"kill", 128 + 9}, {"abort", 128 + 6}, {"_exit", 3}};
  for (const auto& ending : endings) {
    CAPTURE(ending.first);
    Temporary folder;
    CHECK(record(folder, ending.first).status == ending.second);
    const Recorded r = read(folder / "t");
    REQUIRE_MESSAGE(r.readable, r.error);
    CHECK_FALSE(r.ended);
    CHECK(r.sizes.at(1777) == 12345);
    CHECK(r.frees >= 12345);
  }
}

TEST_CASE("a forked child writes its own trace, or none") {
  Temporary folder;
  CHECK(record(folder, "fork").status == 0);
  const Recorded parent = read(folder / "t");
  REQUIRE_MESSAGE(parent.readable, parent.error);
  CHECK(parent.sizes.at(1777) == 100);
  CHECK(parent.sizes.at(3999) == 11);
  CHECK(parent.sizes.count(2888) == 0);
  REQUIRE(others(folder).size() == 1);
  const Recorded child = read(others(folder)[0]);
  REQUIRE_MESSAGE(child.readable, child.error);
  CHECK(child.sizes.at(2888) == 50);
  CHECK(child.sizes.count(1777) == 0);

  Temporary without;
  CHECK(record(without, "fork", "FASTMEM_TRACE_CHILDREN=0").status == 0);
  CHECK(others(without).empty());
  CHECK(read(without / "t").sizes.at(3999) == 11);
}

TEST_CASE("a program that is started does not write over the trace of the one that starts it") {
  for (const char* mode : {"exec", "start"}) {
    CAPTURE(mode);
    Temporary folder;
    CHECK(record(folder, mode).status == 0);
    const Recorded first = read(folder / "t");
    REQUIRE_MESSAGE(first.readable, first.error);
    CHECK(first.sizes.at(1777) == 100);
    REQUIRE(others(folder).size() >= 1);
    int found = 0;
    for (const std::string& path : others(folder)) {
      if (read(path).sizes.count(300000) == 1) ++found;
    }
    CHECK(found == 1);

    Temporary without;
    CHECK(record(without, mode, "FASTMEM_TRACE_CHILDREN=0").status == 0);
    CHECK(others(without).empty());
  }
}

TEST_CASE("a name with %p has the process's number") {
  Temporary folder;
  CHECK(run(folder, "FASTMEM_TRACE=" + shell_quoted(folder / "a-%p-b") + " LD_PRELOAD=" + program("RECORDER") + " " +
                        program("PROGRAM") + " functions")
            .status == 0);
  REQUIRE(folder.files().size() == 1);
  const std::string name = std::filesystem::path(folder.files()[0]).filename();
  CHECK(name.find("%p") == std::string::npos);
  CHECK(name.find("a-") == 0);
}

TEST_CASE("a trace is bounded, and says so") {
  Temporary folder;
  const Ran ran = run(folder, "FASTMEM_TRACE=" + shell_quoted(folder / "t") + " FASTMEM_TRACE_MAX=1M LD_PRELOAD=" +
                                  program("RECORDER") + " timeout 2 " + program("PROGRAM") + " endless");
  CHECK(contains(ran.err, "the limit is reached"));
  for (const std::string& path : folder.files()) CHECK(std::filesystem::file_size(path) <= (1 << 20));
  Temporary second;
  CHECK(record(second, "threads", "FASTMEM_TRACE_MAX_EVENTS=10000").status == 0);
  const Recorded r = read(second / "t");
  REQUIRE_MESSAGE(r.readable, r.error);
  CHECK(r.cut);
  CHECK(r.sum.ops > 9900);
  CHECK(r.sum.ops <= 10000);
  CHECK(r.sum.lost_frees == 0);
}

TEST_CASE("threads that end leave their chunks to others") {
  Temporary folder;
  CHECK(record(folder, "many-threads").status == 0);
  const Recorded r = read(folder / "t");
  REQUIRE_MESSAGE(r.readable, r.error);
  CHECK(r.threads == 2001);
  CHECK(r.sizes.at(1777) == 6000);
  CHECK(std::filesystem::file_size(folder / "t") < (1 << 20));
}

TEST_CASE("a program that closes all its files is recorded to its end") {
  Temporary folder;
  CHECK(record(folder, "close-all").status == 0);
  const Recorded r = read(folder / "t");
  REQUIRE_MESSAGE(r.readable, r.error);
  CHECK(r.sizes.at(1777) == 2'000'000);
}

TEST_CASE("a place that cannot be written is named, and the program runs") {
  Temporary folder;
  const Ran ran =
      run(folder, "FASTMEM_TRACE=/nowhere/t LD_PRELOAD=" + program("RECORDER") + " " + program("PROGRAM") + " threads");
  CHECK(ran.status == 0);
  CHECK(contains(ran.err, "cannot write /nowhere/t"));
}

TEST_CASE("without FASTMEM_TRACE nothing is written") {
  Temporary folder;
  const Ran ran = run(folder, "LD_PRELOAD=" + program("RECORDER") + " " + program("PROGRAM") + " threads");
  CHECK(ran.status == 0);
  CHECK(ran.err == "");
  CHECK(folder.files().empty());
}
