// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/results.h -- Q: what came out of all runs of all traces, and what is said about it?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/replay/allocator.h"
#include "tools/replay/player.h"
#include "tools/trace/summary.h"

namespace fastmem::tools {

// The medians of an allocator's runs.
struct Medians {
  double start_seconds = 0;
  double seconds = 0;
  double cpu_seconds = 0;
  double cycles_per_op = 0;
  double alloc_cycles = 0;
  double free_cycles = 0;
  double peak_rss = 0;
  double fragmentation = 0;  // memory held per byte live, at the moment when most bytes were live
};

struct AllocatorResults {
  const AllocatorInfo* info = nullptr;
  bool installed = true;
  std::string error;  // of a run: the row has no figures
  std::vector<PlayResult> runs;

  bool measured() const { return installed && error.empty() && !runs.empty(); }
};

struct TraceResults {
  std::string path;
  std::string name;     // of the file, without directory and ".trace"
  std::string command;  // that was recorded
  std::uint32_t threads = 0;
  bool cut = false;
  TraceSummary summary;
  std::vector<AllocatorResults> allocators;
};

Medians medians(const TraceResults& trace, const AllocatorResults& allocator);

void print_table(const TraceResults& trace, std::uint64_t limit);
void print_legend();
// False: the file cannot be written.
bool write_json(const std::string& path, const std::vector<TraceResults>& traces, std::uint64_t limit);

}  // namespace fastmem::tools
