// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/options.h"

#include "tools/text.h"

namespace fastmem::tools {

const char kReplayUsage[] =
    "usage: fastmem replay TRACE... [options]\n"
    "\n"
    "Plays recorded programs on fastmem and on other allocators, each in a process of its own.\n"
    "  --allocators A,B,...   of fastmem, glibc, jemalloc, mimalloc, tcmalloc (default: all)\n"
    "  --runs N               runs of each, taking turns; the table has medians (default 3)\n"
    "  --json FILE            all figures of all runs\n"
    "  --svg FILE, --png FILE plots; they need gnuplot\n";

namespace {

bool parse_allocators(const std::string& list, ReplayOptions& options, std::string& error) {
  options.allocators.clear();
  for (std::size_t from = 0; from <= list.size();) {
    const std::size_t comma = std::min(list.find(',', from), list.size());
    const std::string name = list.substr(from, comma - from);
    const AllocatorInfo* const info = find_allocator(name);
    if (info == nullptr) {
      error = "no such allocator: '" + name + "'; there are fastmem, glibc, jemalloc, mimalloc, tcmalloc";
      return false;
    }
    for (const AllocatorInfo* other : options.allocators) {
      if (other == info) {
        error = "'" + name + "' is named twice";
        return false;
      }
    }
    options.allocators.push_back(info);
    from = comma + 1;
  }
  return true;
}

}  // namespace

bool parse_replay_options(int argc, char** argv, ReplayOptions& options, std::string& error) {
  for (const AllocatorInfo& info : known_allocators()) options.allocators.push_back(&info);
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help" || argument == "-h") return false;
    if (argument.empty() || argument[0] != '-') {
      options.traces.push_back(argument);
      continue;
    }
    const bool known = argument == "--allocators" || argument == "--runs" || argument == "--json" ||
                       argument == "--svg" || argument == "--png";
    if (!known) {
      error = "no such option: " + argument;
      return false;
    }
    if (++i == argc) {
      error = argument + " needs a value";
      return false;
    }
    const std::string value = argv[i];
    if (argument == "--allocators" && !parse_allocators(value, options, error)) return false;
    if (argument == "--runs" && !parse_number(value.c_str(), 1, 1000, options.runs)) {
      error = "--runs takes a number from 1 to 1000, not '" + value + "'";
      return false;
    }
    if (argument == "--json") options.json = value;
    if (argument == "--svg") options.svg = value;
    if (argument == "--png") options.png = value;
  }
  if (options.traces.empty()) error = "which trace?";
  return !options.traces.empty();
}

}  // namespace fastmem::tools
