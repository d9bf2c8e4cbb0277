// SPDX-License-Identifier: BSD-3-Clause
// The command line: what is wrong is said, and the status is 2.
#include <doctest/doctest.h>

#include <string>

#include "tests/tools/programs.h"

using namespace fastmem::test;

namespace {

Ran call(const Temporary& folder, const std::string& arguments) {
  return run(folder, program("FASTMEM") + " " + arguments);
}

}  // namespace

TEST_CASE("help and version") {
  Temporary folder;
  CHECK(call(folder, "help").status == 0);
  CHECK(contains(call(folder, "--help").out, "trace-info"));
  CHECK(contains(call(folder, "help").out, "doctor"));
  CHECK(call(folder, "--version").out.find("fastmem 0.") == 0);
  CHECK(contains(call(folder, "replay --help").out, "--allocators"));
  CHECK(contains(call(folder, "record --help").out, "--max"));
}

TEST_CASE("what is wrong is said on stderr, with status 2") {
  Temporary folder;
  const struct {
    const char* arguments;
    const char* said;
  } wrong[] = {
      {"", "usage"},
      {"nonsense", "no such command: nonsense"},
      {"replay", "which trace?"},
      {"replay /nowhere.trace", "/nowhere.trace: No such file"},
      {"replay /etc/passwd", "/etc/passwd: not an allocation trace"},
      {"replay x --allocators dlmalloc", "no such allocator: 'dlmalloc'"},
      {"replay x --allocators glibc,glibc", "named twice"},
      {"replay x --runs many", "--runs takes a number"},
      {"replay x --runs 0", "--runs takes a number"},
      {"replay x --json", "--json needs a value"},
      {"replay x --fast", "no such option: --fast"},
      {"record", "which program?"},
      {"record --max lots -- true", "--max takes a size"},
      {"record --fast -- true", "no such option"},
      {"trace-info", "usage"},
      {"trace-info /nowhere.trace", "No such file"},
  };
  for (const auto& wrong_call : wrong) {
    CAPTURE(wrong_call.arguments);
    const Ran ran = call(folder, wrong_call.arguments);
    CHECK(ran.status == 2);
    CHECK(ran.out == "");
    CAPTURE(ran.err);
    CHECK(contains(ran.err, wrong_call.said));
  }
}

TEST_CASE("record gives the program's own status") {
  Temporary folder;
  const std::string out = " -o " + shell_quoted(folder / "t") + " -- ";
  CHECK(call(folder, "record" + out + "sh -c 'exit 7'").status == 7);
  CHECK(call(folder, "record" + out + program("PROGRAM") + " kill").status == 128 + 9);
  CHECK(call(folder, "record" + out + "/nowhere/program").status == 127);
}
