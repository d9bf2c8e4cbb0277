// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/draw.h -- Q: how do the curves look? gnuplot draws; a panel for each workload, a line for each
// number of nodes.
#pragma once

#include <string>
#include <vector>

#include "bench/scale_model/curve.h"

namespace bench::scale {

// What gnuplot reads, for its terminal "svg" or "pngcairo".
std::string plot_script(const std::vector<Curve>& curves, const std::string& terminal, const std::string& file);

// BASE.svg and BASE.png. "" or why not.
std::string draw(const std::vector<Curve>& curves, const std::string& base);

}  // namespace bench::scale
