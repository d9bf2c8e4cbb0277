// SPDX-License-Identifier: BSD-3-Clause
// tests/golden/golden.h: hot calls against the instruction counts that are checked in (tests/golden/instructions.txt).
// A count that differs is a change of the hot path: either it was not meant, or the file changes with it.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <span>
#include <sstream>
#include <string>

#include "platform/build.h"
#include "tests/golden/instruction_count.h"
#include "tests/support/skip.h"

namespace fastmem::test {

struct HotCall {
  const char* name;
  std::function<bool()> prepare;  // in the process that is counted
  void (*body)();
};

// "g++-12", as the file's columns are called.
inline std::string compiler() {
#if defined(__clang__)
  return "clang++-" + std::to_string(__clang_major__);
#else
  return "g++-" + std::to_string(__GNUC__);
#endif
}

// This compiler's column, by call; empty: it has none.
inline std::map<std::string, unsigned> golden_counts(const char* path) {
  std::ifstream in(path);
  std::map<std::string, unsigned> counts;
  std::string line;
  int column = -1;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string name;
    std::string word;
    if (!(words >> name) || name[0] == '#') continue;
    for (int i = 0; words >> word; ++i) {
      if (name == "call" && word == compiler()) column = i;
      if (name != "call" && i == column) counts[name] = static_cast<unsigned>(std::stoul(word));
    }
  }
  return counts;
}

// Why there is nothing to compare with; "": there is.
inline std::string not_comparable(const std::map<std::string, unsigned>& golden) {
  if (kCheckedBuild) return "a checked or sanitized build has other code";
  if (golden.empty()) return "no counts are checked in for " + compiler();
  if (!count_instructions([] { return true; }, [] {})) return "processes cannot be single-stepped here";
  return "";
}

inline void compare_with_golden(const HotCall& call, const std::map<std::string, unsigned>& golden) {
  const std::string name = call.name;
  CAPTURE(name);
  const auto count = count_instructions(call.prepare, call.body);
  REQUIRE(count.has_value());
  const unsigned empty = *count_instructions([] { return true; }, [] {});
  const unsigned instructions = *count - empty;
  const auto expected = golden.find(call.name);
  CHECK_MESSAGE(expected != golden.end(), "not in instructions.txt; it takes ", instructions);
  if (expected != golden.end()) CHECK(instructions == expected->second);
}

inline void compare_with_golden(std::span<const HotCall> calls) {
  const auto golden = golden_counts("tests/golden/instructions.txt");
  const std::string why = not_comparable(golden);
  if (!why.empty()) FM_SKIP(why.c_str());
  for (const HotCall& call : calls) compare_with_golden(call, golden);
}

}  // namespace fastmem::test
