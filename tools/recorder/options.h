// SPDX-License-Identifier: BSD-3-Clause
// tools/recorder/options.h -- Q: what did the environment ask of this process? Read once, without malloc.
//   FASTMEM_TRACE=FILE             where to; "%p" becomes the process's number
//   FASTMEM_TRACE_MAX=256M         most bytes of a file (K, M, G), at least 1M
//   FASTMEM_TRACE_MAX_EVENTS=N     most events
//   FASTMEM_TRACE_CHILDREN=0       neither forked children nor programs that are started write traces of their own
// The first process renames its FASTMEM_TRACE to FASTMEM_CHILD: what it starts writes to FILE.PID instead of over FILE.
#pragma once

#include <limits.h>

#include <cstddef>
#include <cstdint>

namespace fastmem::recorder {

struct Options {
  bool wanted = false;
  bool children = true;
  bool is_child = false;  // started by a recorded program
  std::uint64_t max_bytes = std::uint64_t{256} << 20;
  std::uint64_t max_events = UINT64_MAX;
  char path[PATH_MAX] = {};  // absolute, "%p" not yet replaced
};

// False as long as there is no environment to read: libc is not up yet.
bool read_options(Options& options);

// The file of process `pid`, the attempt-th name for it. `child`: forked or started by a recorded program.
void trace_path(const Options& options, bool child, int pid, int attempt, char (&path)[PATH_MAX]);

}  // namespace fastmem::recorder
