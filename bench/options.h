// SPDX-License-Identifier: BSD-3-Clause
// bench/options.h -- Q: what was the bench asked to do?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

struct Options {
  bool help = false;
  bool list = false;
  bool quick = false;
  int runs = 0;  // 0: kFullRuns, or kQuickRuns when quick
  std::string filter;
  std::string json;       // "": none
  std::string out = ".";  // the folder of the picture
  std::string pages = "auto";
  std::vector<std::string> allocators;  // empty: all

  static constexpr int kVerdictRuns = 7;  // fewer are a first look
  static constexpr int kFullRuns = 11;
  static constexpr int kQuickRuns = 3;

  int runs_to_do() const { return runs > 0 ? runs : quick ? kQuickRuns : kFullRuns; }
  std::uint32_t pages_value() const;  // enum fastmem_pages
};

// "" or what is wrong.
std::string parse(int argc, char** argv, Options& options);

extern const char* const kUsage;

}  // namespace bench
