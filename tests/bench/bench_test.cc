// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/bench_test.cc: the bench runs, says what it measured, and refuses what it does not know.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace {

struct Run {
  int status;
  std::string output;
};

Run bench(const std::string& arguments) {
  const char* program = std::getenv("FASTMEM_BENCH");
  REQUIRE(program != nullptr);
  const std::string command = std::string(program) + " " + arguments + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Run run{};
  char part[4096];
  while (std::fgets(part, sizeof part, pipe) != nullptr) run.output += part;
  const int ended = pclose(pipe);
  run.status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
  return run;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string scratch(const std::string& name) {
  const char* folder = std::getenv("TEST_TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/" + name;
}

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST_CASE("one short comparison of every kind of scenario that needs little memory") {
  const std::string json = scratch("bench.json");
  const Run run = bench(
      "--quick --runs=1 --json " + json +
      " '^(pair/64|burst32-lifo/64|burst32-fifo/64|bulk32/64|handle/64|random-small|producer-consumer|threads/2)$'");
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(contains(run.output, "fastmem does what is asked in "));
  CHECK(contains(run.output, "a first look, not a verdict"));
  const std::string results = read(json);
  for (const char* scenario : {"pair/64", "burst32-lifo/64", "burst32-fifo/64", "bulk32/64", "handle/64",
                               "random-small", "producer-consumer", "threads/2"}) {
    for (const char* allocator : {"fastmem", "glibc"}) {
      CHECK(
          contains(results, std::string("{\"scenario\": \"") + scenario + "\", \"allocator\": \"" + allocator + "\""));
    }
  }
}

TEST_CASE("every scenario has a name") {
  const Run run = bench("--list");
  CHECK(run.status == 0);
  for (const char* scenario : {"pair/65536\n", "random-large\n", "many-threads\n", "first-touch\n", "footprint\n"}) {
    CHECK(contains(run.output, scenario));
  }
}

TEST_CASE("mistakes are named before anything runs") {
  CHECK(contains(bench("--allocators nobody").output, "no allocator is called 'nobody'"));
  CHECK(contains(bench("--pages 3k").output, "--pages takes"));
  CHECK(contains(bench("--fast").output, "unknown option --fast"));
  CHECK(contains(bench("no-such-scenario").output, "no scenario matches 'no-such-scenario'"));
  CHECK(bench("no-such-scenario").status == 2);
}

}  // namespace
