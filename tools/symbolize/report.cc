// SPDX-License-Identifier: BSD-3-Clause
#include "tools/symbolize/report.h"

#include <cinttypes>
#include <regex>

#include "tools/text.h"

namespace fastmem::tools {

std::optional<FrameLine> parse_frame(const std::string& line) {
  static const std::regex kFrame("(.*#[0-9]+ 0x[0-9a-f]+) in (.+)\\+0x([0-9a-f]{1,16})(.*)");
  std::smatch found;
  if (line.size() > 8192 || !std::regex_match(line, found, kFrame)) return std::nullopt;
  return FrameLine{found[1], found[2], std::stoull(found[3], nullptr, 16), found[4]};
}

std::vector<std::string> print_frame(const FrameLine& frame, const std::vector<Place>& places) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    std::string line = frame.before + " in " + (place.function.empty() ? "?" : place.function);
    if (i + 1 < places.size()) line += " (inlined)";
    if (!place.file.empty()) line += " " + place.file + ":" + std::to_string(place.line);
    lines.push_back(line + " (" + frame.module + format("+0x%" PRIx64 ")", frame.address) + frame.after);
  }
  return lines;
}

}  // namespace fastmem::tools
