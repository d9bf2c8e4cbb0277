// SPDX-License-Identifier: BSD-3-Clause
// tools/fastmem_main.cc -- Q: which tool is called? The `fastmem` command.
#include <cstdio>
#include <cstring>

#include "api/fastmem.h"
#include "tools/doctor/doctor.h"
#include "tools/record.h"
#include "tools/replay/child.h"
#include "tools/replay/replay.h"
#include "tools/symbolize/symbolize.h"
#include "tools/trace_info.h"

namespace {

constexpr char kUsage[] =
    "usage: fastmem COMMAND\n"
    "\n"
    "  doctor                      what this machine can offer, and the commands for what is missing\n"
    "  record -- PROGRAM ARGS...   run a program and write a trace of its allocations\n"
    "  trace-info TRACE...         what is in a trace\n"
    "  replay TRACE...             play traces on fastmem and on other allocators, and compare\n"
    "  symbolize [REPORT]          a report with the functions and lines of its stack traces\n"
    "  help                        this text; `fastmem COMMAND --help` says more\n"
    "  --version                   the library's version\n";

int version(int, char**) {
  std::printf("fastmem %s\n", fastmem_version());
  return 0;
}

int help(int, char**) {
  std::fputs(kUsage, stdout);
  return 0;
}

struct Command {
  const char* name;
  int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"doctor", fastmem::tools::doctor},
    {"record", fastmem::tools::record},
    {"trace-info", fastmem::tools::trace_info},
    {"replay", fastmem::tools::replay},
    {"symbolize", fastmem::tools::symbolize},
    {fastmem::tools::kChildCommand, fastmem::tools::replay_child},
    {"--version", version},
    {"help", help},
    {"--help", help},
    {"-h", help},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  for (const Command& command : kCommands) {
    if (std::strcmp(argv[1], command.name) == 0) return command.run(argc - 2, argv + 2);
  }
  std::fprintf(stderr, "fastmem: no such command: %s\n%s", argv[1], kUsage);
  return 2;
}
