// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tools/symbolize/places.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

constexpr std::size_t kAtOnce = 500;  // addresses on one command line

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// What a command says, in lines.
std::vector<std::string> lines_of(const std::string& command) {
  std::vector<std::string> lines(1);
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  for (int c; (c = std::fgetc(pipe)) != EOF;) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += static_cast<char>(c);
    }
  }
  pclose(pipe);
  lines.pop_back();
  return lines;
}

// "file.cc:12", perhaps with " (discriminator 3)" behind it; "??:0" is nowhere.
void read_place(const std::string& text, Place& place) {
  const std::size_t colon = text.find_last_of(':', text.find(" (discriminator"));
  if (colon == std::string::npos || text.compare(0, colon, "??") == 0) return;
  place.file = text.substr(0, colon);
  place.line = static_cast<unsigned>(std::strtoul(text.c_str() + colon + 1, nullptr, 10));
}

// An address, then two lines for each place: the function, where it is.
void read_answer(const std::vector<std::string>& lines, Places& places) {
  std::optional<std::uint64_t> address;
  for (std::size_t i = 0; i < lines.size();) {
    if (lines[i].compare(0, 2, "0x") == 0) {
      address = std::strtoull(lines[i++].c_str(), nullptr, 16);
      continue;
    }
    if (!address || i + 1 == lines.size()) return;
    Place place;
    if (lines[i] != "??") place.function = lines[i];
    read_place(lines[i + 1], place);
    if (!place.function.empty() || !place.file.empty()) places[*address].push_back(place);
    i += 2;
  }
}

}  // namespace

Places places_by_addr2line(const std::string& file, const std::vector<std::uint64_t>& addresses) {
  Places places;
  for (std::size_t i = 0; i < addresses.size(); i += kAtOnce) {
    std::string command = "addr2line -a -f -i -C -e " + quoted(file);
    for (std::size_t k = i; k < std::min(i + kAtOnce, addresses.size()); ++k) {
      command += format(" 0x%" PRIx64, addresses[k]);
    }
    read_answer(lines_of(command + " 2>/dev/null"), places);
  }
  return places;
}

}  // namespace fastmem::tools
