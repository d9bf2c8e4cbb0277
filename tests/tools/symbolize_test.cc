// SPDX-License-Identifier: BSD-3-Clause
// `fastmem symbolize`: functions and lines by libdw and by addr2line, of programs with debug information and of those that
// lost it.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/skip.h"
#include "tests/tools/programs.h"
#include "tools/symbolize/build_id.h"
#include "tools/symbolize/places.h"
#include "tools/symbolize/report.h"

using namespace fastmem::test;
using namespace fastmem::tools;

namespace {

std::vector<std::string> readers() {
  if (has_libdw()) return {"libdw", "addr2line"};
  return {"addr2line"};
}

bool has_binutils(const Temporary& folder) {
  return run(folder, "addr2line --version && objcopy --version").status == 0;
}

Ran symbolize(const Temporary& folder, const std::string& reader, const std::string& report,
              const std::string& arguments = "") {
  write_bytes(folder / "report", {reinterpret_cast<const std::byte*>(report.data()),
                                  reinterpret_cast<const std::byte*>(report.data()) + report.size()});
  return run(folder, program("FASTMEM") + " symbolize --by " + reader + " " + arguments + " " +
                         shell_quoted(folder / "report"));
}

// The line that has all of these.
bool has_line(const std::string& text, const std::vector<std::string>& parts) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    bool all = true;
    for (const std::string& part : parts) all = all && contains(line, part);
    if (all) return true;
    at = end + 1;
  }
  return false;
}

void check_named(const std::string& text) {
  INFO(text);
  CHECK(has_line(text,
                 {"fastmem:     #1 0x", " in symbolized::Inner::call(int) (inlined) ", "symbolize_program.cc:23 ("}));
  CHECK(has_line(text, {"fastmem:     #1 0x", " in symbolized::outer(int) ", "symbolize_program.cc:29 ("}));
  CHECK(has_line(text, {"fastmem:     #2 0x", " in main ", "symbolize_program.cc:36 ("}));
  CHECK(contains(text, "fastmem: a report\n"));
  CHECK(contains(text, "\ndepth 1\n"));
  CHECK(contains(text, "\nthat was #9 0x1f in /nowhere/library.so+0x10\n"));
}

// A copy without debug information, and what was taken out of it.
struct Stripped {
  explicit Stripped(const Temporary& folder, const std::string& link = "") {
    const std::string whole = shell_quoted(program("PROGRAM"));
    const std::string debug = shell_quoted(folder / "separate.debug");
    const std::string bare = shell_quoted(folder / "bare");
    made = run(folder, "objcopy --only-keep-debug " + whole + " " + debug + " && objcopy --strip-all " + link + " " +
                           whole + " " + bare);
    report = run(folder, bare).out;
  }
  Ran made;
  std::string report;
};

}  // namespace

TEST_CASE("function, file and line of each frame, inlined ones too; all else stays") {
  const Temporary folder;
  const std::string report = run(folder, program("PROGRAM")).out;
  REQUIRE(contains(report, "+0x"));
  for (const std::string& reader : readers()) {
    CAPTURE(reader);
    if (reader == "addr2line" && !has_binutils(folder)) continue;
    const Ran ran = symbolize(folder, reader, report);
    CHECK(ran.status == 0);
    CHECK(contains(ran.err, "/nowhere/library.so: no debug information"));
    check_named(ran.out);
  }
  const Ran piped = run(folder, program("PROGRAM") + " | " + program("FASTMEM") + " symbolize");
  check_named(piped.out);
}

TEST_CASE("a stripped program's report, with its debug information beside it") {
  const Temporary folder;
  if (!has_binutils(folder)) FM_SKIP("no binutils");
  const Stripped stripped(folder);
  REQUIRE(stripped.made.status == 0);
  const std::string debug = shell_quoted(folder / "separate.debug");
  const bool same_build = !build_id(folder / "bare").empty();
  CHECK(build_id(folder / "bare") == build_id(folder / "separate.debug"));
  for (const std::string& reader : readers()) {
    CAPTURE(reader);
    const Ran without = symbolize(folder, reader, stripped.report);
    CHECK(contains(without.out, "#1 0x"));
    CHECK(!contains(without.out, "symbolize_program.cc"));
    CHECK(contains(without.err, "bare: no debug information"));
    if (same_build) check_named(symbolize(folder, reader, stripped.report, "--debug " + debug).out);
    check_named(
        symbolize(folder, reader, stripped.report, "--debug " + shell_quoted(folder / "bare") + "=" + debug).out);
  }
}

TEST_CASE("debug information that a debuglink names is found") {
  const Temporary folder;
  if (!has_binutils(folder)) FM_SKIP("no binutils");
  const Stripped stripped(folder, "--add-gnu-debuglink=" + shell_quoted(folder / "separate.debug"));
  REQUIRE(stripped.made.status == 0);
  for (const std::string& reader : readers()) {
    CAPTURE(reader);
    check_named(symbolize(folder, reader, stripped.report).out);
  }
}

TEST_CASE("lines that are frames, and lines that are not") {
  const auto frame = parse_frame("x: #12 0x55d0c8a01a2e in /a folder/pro+0x1g+0x1a2e, and more");
  REQUIRE(frame.has_value());
  CHECK(frame->before == "x: #12 0x55d0c8a01a2e");
  CHECK(frame->module == "/a folder/pro+0x1g");
  CHECK(frame->address == 0x1a2e);
  CHECK(frame->after == ", and more");
  CHECK(print_frame(*frame, {{"inner()", "a.cc", 3}, {"", "", 0}}) ==
        std::vector<std::string>{
            "x: #12 0x55d0c8a01a2e in inner() (inlined) a.cc:3 (/a folder/pro+0x1g+0x1a2e), and more",
            "x: #12 0x55d0c8a01a2e in ? (/a folder/pro+0x1g+0x1a2e), and more"});
  for (const char* const other : {"", "#3 0x1 in ?", "#3 in /lib/a.so+0x1", "0x1 in /lib/a.so+0x1", "#1 0x1 in a+0x"}) {
    CHECK(!parse_frame(other).has_value());
  }
}

TEST_CASE("what is wrong is said, with status 2") {
  const Temporary folder;
  const struct {
    const char* arguments;
    const char* said;
  } wrong[] = {
      {"/nowhere/report", "/nowhere/report: No such file"},
      {"--fast", "no such option: --fast"},
      {"--by hand", "--by takes libdw or addr2line"},
      {"--debug", "--debug needs a value"},
      {"--debug /nowhere/file x", "/nowhere/file: No such file"},
      {"a b", "one report at a time"},
  };
  for (const auto& call : wrong) {
    CAPTURE(call.arguments);
    const Ran ran = run(folder, program("FASTMEM") + " symbolize " + call.arguments);
    CHECK(ran.status == 2);
    CHECK(contains(ran.err, call.said));
  }
  CHECK(contains(run(folder, program("FASTMEM") + " symbolize --help").out, "--debug"));
}
