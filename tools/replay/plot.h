// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/plot.h -- Q: how do the results look as a picture? gnuplot draws; a column of panels per trace.
#pragma once

#include <string>
#include <vector>

#include "tools/replay/results.h"

namespace fastmem::tools {

// Writes the named files ("" for none). False: error says why, and what to install.
bool write_plots(const std::vector<TraceResults>& traces, const std::string& svg, const std::string& png,
                 std::string& error);

}  // namespace fastmem::tools
