// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/report.h -- Q: what did each path cost, and is it as short as it is asked to be?
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/misses/samples.h"

namespace bench {

// At most so many nanoseconds, and why.
struct Bound {
  double ns;
  double Distribution::*figure;
  std::string text;
};

// One line of the table.
struct Path {
  std::string name;
  std::string forced;  // how the path is forced, and what proves it
  Distribution took;
  std::optional<Bound> asked = {};
};

bool met(const Path& path);

void print_paths(const std::string& title, const std::vector<Path>& paths);
// How each path was forced.
void print_forced(const std::vector<Path>& paths);
// "3 of 5 met", and those that are not.
void print_verdict(const std::vector<Path>& paths);

}  // namespace bench
