// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/replay.h"

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/replay/child.h"
#include "tools/replay/options.h"
#include "tools/replay/plot.h"
#include "tools/replay/results.h"
#include "tools/trace/reader.h"

namespace fastmem::tools {
namespace {

std::string name_of(const std::string& path) {
  std::string name = std::filesystem::path(path).filename();
  const std::size_t suffix = name.rfind(".trace");
  if (suffix != std::string::npos && suffix + 6 == name.size() && suffix > 0) name.resize(suffix);
  return name;
}

bool read_trace(const std::string& path, TraceResults& results) {
  TraceReader trace;
  if (!trace.open(path.c_str())) {
    std::fprintf(stderr, "fastmem: %s\n", trace.error().c_str());
    return false;
  }
  results.path = path;
  results.name = name_of(path);
  results.command = trace.header().command;
  results.threads = trace.threads();
  results.cut = trace.cut();
  results.summary = summarize(trace);
  if (results.summary.ops == 0) std::fprintf(stderr, "fastmem: %s: a trace without allocations\n", path.c_str());
  return results.summary.ops > 0;
}

// The allocators take turns, so that what else the machine does meets them all.
void play_all(const ReplayOptions& options, std::uint64_t limit, std::vector<TraceResults>& traces) {
  std::vector<AllocatorResults> rows;
  std::size_t present = 0;
  for (const AllocatorInfo* info : options.allocators) {
    rows.push_back({.info = info, .installed = installed(*info), .error = "", .runs = {}});
    if (rows.back().installed) ++present;
  }
  const std::size_t steps = traces.size() * present * options.runs;
  std::size_t step = 0;
  for (TraceResults& trace : traces) {
    trace.allocators = rows;
    for (std::uint64_t run = 1; run <= options.runs; ++run) {
      for (AllocatorResults& row : trace.allocators) {
        if (!row.installed) continue;
        std::fprintf(stderr, "[%zu/%zu] replaying %s on %s (run %llu of %llu)\n", ++step, steps, trace.name.c_str(),
                     row.info->name, static_cast<unsigned long long>(run),
                     static_cast<unsigned long long>(options.runs));
        if (!row.error.empty()) continue;
        PlayResult result = play_in_child(*row.info, limit, trace.path);
        row.error = result.error;
        row.runs.push_back(std::move(result));
      }
    }
  }
}

bool write_files(const ReplayOptions& options, const std::vector<TraceResults>& traces, std::uint64_t limit) {
  bool good = true;
  if (!options.json.empty() && !write_json(options.json, traces, limit)) {
    std::fprintf(stderr, "fastmem: cannot write %s\n", options.json.c_str());
    good = false;
  }
  std::string error;
  if (!write_plots(traces, options.svg, options.png, error)) {
    std::fprintf(stderr, "fastmem: %s\n", error.c_str());
    good = false;
  }
  return good;
}

}  // namespace

int replay(int argc, char** argv) {
  ReplayOptions options;
  std::string error;
  if (!parse_replay_options(argc, argv, options, error)) {
    if (!error.empty()) std::fprintf(stderr, "fastmem: %s\n", error.c_str());
    std::fputs(kReplayUsage, error.empty() ? stdout : stderr);
    return error.empty() ? 0 : 2;
  }
  std::vector<TraceResults> traces(options.traces.size());
  for (std::size_t i = 0; i < traces.size(); ++i) {
    if (!read_trace(options.traces[i], traces[i])) return 2;
  }
  const std::uint64_t limit = limit_in_child();
  if (limit == 0) {
    std::fprintf(stderr, "fastmem: the allocator cannot start here\n");
    return 1;
  }
  play_all(options, limit, traces);
  bool failed = false;
  for (const TraceResults& trace : traces) {
    print_table(trace, limit);
    std::printf("\n");
    for (const AllocatorResults& row : trace.allocators) failed |= !row.error.empty();
  }
  print_legend();
  std::fflush(stdout);
  return write_files(options, traces, limit) && !failed ? 0 : 1;
}

}  // namespace fastmem::tools
