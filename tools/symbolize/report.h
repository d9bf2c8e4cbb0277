// SPDX-License-Identifier: BSD-3-Clause
// tools/symbolize/report.h -- Q: which lines of a report are frames, and how do they read with function and line?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/symbolize/places.h"

namespace fastmem::tools {

// "BEFORE#3 0x55d0c8a01a2e in MODULE+0x1a2eAFTER", as platform/frame_text.h prints it.
struct FrameLine {
  std::string before;  // up to " in "
  std::string module;
  std::uint64_t address = 0;  // in the module's file
  std::string after;
};

std::optional<FrameLine> parse_frame(const std::string& line);

// One line for each place: "#3 0x55d0c8a01a2e in function FILE:LINE (MODULE+0x1a2e)"; inlined functions say so.
std::vector<std::string> print_frame(const FrameLine& frame, const std::vector<Place>& places);

}  // namespace fastmem::tools
