// SPDX-License-Identifier: BSD-3-Clause
// bench/picture.h -- Q: how do the results look at a glance? gnuplot draws.
//
// A group of horizontal bars for each family of scenarios. Bars begin at 1, the yardstick's own figure: to the left is
// less, to the right more. A black mark says how far to the left fastmem is asked to come.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace bench {

struct Series {
  std::string name;
  std::string colour;  // "#d62728"
};

struct BarGroup {
  std::string name;
  std::vector<std::optional<double>> ratios;  // of each series to the yardstick
  std::optional<double> asked;                // of the first one
  std::string figure;                         // of the first one, in words: "4.5 cycles"
  unsigned met = 0;                           // of so many scenarios in which something is asked
  unsigned judged = 0;
};

struct Panel {
  std::string title;
  std::vector<BarGroup> groups;
};

struct Picture {
  std::string title;
  std::vector<Series> series;  // the first one is fastmem
  std::vector<Panel> panels;   // from top to bottom; those without groups are left out

  bool empty() const;
};

// The commands that make one file of it. The terminal is gnuplot's: "svg" or "pngcairo".
std::string gnuplot_commands(const Picture& picture, const std::string& terminal, const std::string& file);

// folder/name.svg and folder/name.png, and a line that says so, or why not.
void draw(const Picture& picture, const std::string& folder, const std::string& name);

// Made when it is not there. "" or what is wrong with it.
std::string prepare_folder(const std::string& folder);

}  // namespace bench
