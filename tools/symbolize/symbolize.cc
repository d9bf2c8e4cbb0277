// SPDX-License-Identifier: BSD-3-Clause
#include "tools/symbolize/symbolize.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <set>

#include "tools/symbolize/build_id.h"
#include "tools/symbolize/places.h"
#include "tools/symbolize/report.h"

namespace fastmem::tools {
namespace {

constexpr char kUsage[] =
    "usage: fastmem symbolize [options] [REPORT]\n"
    "\n"
    "Prints a report (default: what comes from stdin) with the function and the line of each frame of its stack "
    "traces.\n"
    "Frames of which nothing is known stay as they are.\n"
    "  --debug FILE           debug information that was taken out of a program or library; may be given again. It is\n"
    "                         used where the build ID is the same. What lies below /usr/lib/debug or is named by a\n"
    "                         debuglink is found without it\n"
    "  --debug MODULE=FILE    the same for the module of that name in the report, whatever its build ID\n"
    "  --by libdw|addr2line   who reads debug information: libdw if this program was built with it, else addr2line\n";

struct SymbolizeOptions {
  std::vector<std::string> debug_files;
  std::map<std::string, std::string> debug_of;  // by module
  std::string report;
  bool libdw = has_libdw();
  bool help = false;
};

std::string parse_by(const std::string& who, SymbolizeOptions& options) {
  if (who != "libdw" && who != "addr2line") return "--by takes libdw or addr2line, not '" + who + "'";
  options.libdw = who == "libdw";
  return options.libdw && !has_libdw() ? "this program was built without libdw" : "";
}

std::string parse_debug(const std::string& value, SymbolizeOptions& options) {
  const std::size_t equals = value.find('=');
  const std::string file = equals == std::string::npos ? value : value.substr(equals + 1);
  if (!std::ifstream(file)) return file + ": " + std::strerror(errno);
  if (equals != std::string::npos) {
    options.debug_of[value.substr(0, equals)] = file;
  } else {
    options.debug_files.push_back(file);
  }
  return "";
}

// "": understood.
std::string parse(int argc, char** argv, SymbolizeOptions& options) {
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    std::string wrong;
    if (argument == "--help" || argument == "-h") {
      options.help = true;
    } else if (argument == "--debug" || argument == "--by") {
      if (++i == argc) return argument + " needs a value";
      wrong = argument == "--by" ? parse_by(argv[i], options) : parse_debug(argv[i], options);
    } else if (argument.size() > 1 && argument[0] == '-') {
      return "no such option: " + argument;
    } else if (!options.report.empty()) {
      return "one report at a time";
    } else {
      options.report = argument;
    }
    if (!wrong.empty()) return wrong;
  }
  return "";
}

std::vector<std::string> read_lines(std::istream& in) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The file with what is known of a module.
std::string file_for(const std::string& module, const SymbolizeOptions& options) {
  if (const auto named = options.debug_of.find(module); named != options.debug_of.end()) return named->second;
  const std::string id = options.debug_files.empty() ? "" : build_id(module);
  for (const std::string& file : options.debug_files) {
    if (!id.empty() && build_id(file) == id) return file;
  }
  return module;
}

// Each module's file is opened once, for all of the report's frames in it.
std::map<std::string, Places> find_all(const std::vector<std::string>& lines, const SymbolizeOptions& options) {
  std::map<std::string, std::set<std::uint64_t>> asked;
  for (const std::string& line : lines) {
    if (const auto frame = parse_frame(line)) asked[frame->module].insert(frame->address);
  }
  std::map<std::string, Places> found;
  for (const auto& [module, addresses] : asked) {
    const std::vector<std::uint64_t> all(addresses.begin(), addresses.end());
    const std::string file = file_for(module, options);
    found[module] = options.libdw ? places_by_libdw(file, all) : places_by_addr2line(file, all);
    const bool any_line = std::any_of(found[module].begin(), found[module].end(),
                                      [](const auto& at) { return !at.second.front().file.empty(); });
    if (!any_line) std::fprintf(stderr, "fastmem: %s: no debug information\n", file.c_str());
  }
  return found;
}

void print(const std::vector<std::string>& lines, const std::map<std::string, Places>& found) {
  for (const std::string& line : lines) {
    const auto frame = parse_frame(line);
    const Places* const places = frame ? &found.at(frame->module) : nullptr;
    if (places == nullptr || places->count(frame->address) == 0) {
      std::printf("%s\n", line.c_str());
      continue;
    }
    for (const std::string& place : print_frame(*frame, places->at(frame->address))) std::printf("%s\n", place.c_str());
  }
}

}  // namespace

int symbolize(int argc, char** argv) {
  SymbolizeOptions options;
  if (const std::string wrong = parse(argc, argv, options); !wrong.empty()) {
    std::fprintf(stderr, "fastmem: %s\n%s", wrong.c_str(), kUsage);
    return 2;
  }
  if (options.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  std::ifstream file;
  const bool from_stdin = options.report.empty() || options.report == "-";
  if (!from_stdin) file.open(options.report);
  if (!from_stdin && !file) {
    std::fprintf(stderr, "fastmem: %s: %s\n", options.report.c_str(), std::strerror(errno));
    return 2;
  }
  const std::vector<std::string> lines = read_lines(from_stdin ? std::cin : file);
  print(lines, find_all(lines, options));
  return 0;
}

}  // namespace fastmem::tools
