// SPDX-License-Identifier: BSD-3-Clause
#include "tools/doctor/options.h"

namespace fastmem::tools {

const char kDoctorUsage[] =
    "usage: fastmem doctor [options]\n"
    "\n"
    "What this machine can offer to this process: pages, limits, device addresses, kernel, nodes. What is missing is\n"
    "marked, and followed by the command that changes it. Needs no rights; with more it sees more.\n"
    "  --need SIZE[@NODE]     only: could a heap of that size be had now? 512M, 8G, 8G@1\n"
    "  --pages KIND           with --need: of 1g, 2m, thp or 4k pages (default: of any)\n"
    "  --json                 the same as one JSON object\n"
    "  --root DIR             of the machine whose /proc and /sys are below DIR\n"
    "\n"
    "exit status: 0  the report was printed; with --need: yes\n"
    "             1  with --need: no\n"
    "             2  the arguments are wrong\n";

namespace {

bool parse_kind(const std::string& name, DoctorOptions& options) {
  for (unsigned i = 0; i < kNeedKinds; ++i) {
    if (name == name_of(static_cast<NeedKind>(i))) options.pages = static_cast<NeedKind>(i);
  }
  return options.pages.has_value();
}

bool take_value(const std::string& option, const std::string& value, DoctorOptions& options, std::string& error) {
  if (option == "--root") {
    options.root = value;
    while (!options.root.empty() && options.root.back() == '/') options.root.pop_back();
  } else if (option == "--pages" && !parse_kind(value, options)) {
    error = "--pages takes 1g, 2m, thp or 4k, not '" + value + "'";
  } else if (option == "--need") {
    Need need;
    if (parse_need(value, need)) {
      options.need = need;
    } else {
      error = "--need takes a size and perhaps a node, as 512M or 8G@1, not '" + value + "'";
    }
  }
  return error.empty();
}

}  // namespace

bool parse_doctor_options(int argc, char** argv, DoctorOptions& options, std::string& error) {
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      return true;
    }
    if (argument == "--json") {
      options.json = true;
      continue;
    }
    if (argument != "--need" && argument != "--pages" && argument != "--root") {
      error = "no such option: " + argument;
      return false;
    }
    if (++i == argc) {
      error = argument + " needs a value";
      return false;
    }
    if (!take_value(argument, argv[i], options, error)) return false;
  }
  if (options.pages && !options.need) error = "--pages needs --need";
  return error.empty();
}

}  // namespace fastmem::tools
