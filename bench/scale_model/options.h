// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/options.h -- Q: what was the model asked to do?
#pragma once

#include <cstdint>
#include <string>

namespace bench::scale {

struct Options {
  bool help = false;
  bool quick = false;
  bool real = true;  // compare with threads on this machine
  std::string costs;
  std::string draw;      // "": no drawing
  double far_times = 0;  // 0: what the costs say
  std::uint64_t seed = 1;
};

extern const char* const kUsage;

// "" or what is wrong.
std::string parse(int argc, char** argv, Options& options);

}  // namespace bench::scale
