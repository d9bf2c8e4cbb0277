// SPDX-License-Identifier: BSD-3-Clause
// tests/bench/run_bench.h: runs the program that FASTMEM_BENCH names, and reads what it says.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace bench {

struct Run {
  int status;
  std::string output;
};

inline std::string scratch(const std::string& name) {
  const char* folder = std::getenv("TEST_TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/" + name;
}

// Pictures go to pictures(), unless the arguments say otherwise.
inline std::string pictures() { return scratch("it's drawn"); }

// `before` stands before the program: variables.
inline Run run_program(const std::string& arguments, const std::string& before = "") {
  const char* program = std::getenv("FASTMEM_BENCH");
  REQUIRE(program != nullptr);
  const std::string command = before + " " + program + " " + arguments + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Run run{};
  char part[4096];
  while (std::fgets(part, sizeof part, pipe) != nullptr) run.output += part;
  const int ended = pclose(pipe);
  run.status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
  return run;
}

// Of a bench that draws.
inline Run run_bench(const std::string& arguments, const std::string& before = "") {
  return run_program("--out \"" + pictures() + "\" " + arguments, before);
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace bench
