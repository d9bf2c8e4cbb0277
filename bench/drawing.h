// SPDX-License-Identifier: BSD-3-Clause
// bench/drawing.h -- Q: which of the results are drawn, and against what?
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/picture.h"
#include "bench/results.h"

namespace bench {

// How a bench's rows become bars. Of each row, nullopt: there is no such thing.
struct Drawing {
  using Number = std::function<std::optional<double>(const Row&)>;

  std::vector<Series> series;                            // named as the cells are; the first one is fastmem
  Number yardstick;                                      // the figure that all are divided by
  Number asked;                                          // fastmem's figure at most, divided by the yardstick's
  std::function<std::optional<bool>(const Row&)> meets;  // whether it is all that is asked of it
};

// A group for each family that has a yardstick, in the order of the rows: its bars are geometric means over its
// scenarios. Panel 0 has those that are judged by time, panel 1 those by memory.
std::vector<Panel> panels(const std::vector<Row>& rows, const Drawing& drawing);

// The name before the first slash: "pipe" of pipe/1-3. In memory's panel all would be one: there, what the objects are,
// without how many: "uniform" of footprint/uniform/1k.
std::string family_of(const ScenarioInfo& scenario);

// The general bench's: the yardstick is the best of the others.
Picture picture_of(const std::vector<Row>& rows);

}  // namespace bench
