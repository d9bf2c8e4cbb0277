// SPDX-License-Identifier: BSD-3-Clause
#include "tools/trace_info.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "tools/text.h"
#include "tools/trace/reader.h"
#include "tools/trace/summary.h"

namespace fastmem::tools {
namespace {

constexpr int kBarWidth = 40;

void print_sizes(const TraceSummary& sum) {
  const std::uint64_t most = *std::max_element(sum.by_size.begin(), sum.by_size.end());
  if (most == 0) return;
  std::printf("sizes asked for:\n");
  for (std::size_t i = 0; i < sum.by_size.size(); ++i) {
    if (sum.by_size[i] == 0) continue;
    const auto bar = static_cast<int>((sum.by_size[i] * kBarWidth + most - 1) / most);
    std::printf("  <= %-10s %14s  %.*s\n", human_bytes(static_cast<double>(std::uint64_t{1} << i)).c_str(),
                with_commas(sum.by_size[i]).c_str(), bar, "########################################");
  }
}

void print(const char* path, const TraceReader& trace, const TraceSummary& sum) {
  const auto kind = [&](OpKind k) { return with_commas(sum.by_kind[static_cast<std::size_t>(k)]); };
  std::printf("%s\n", path);
  std::printf("program:      %s (process %u)\n", trace.header().command, trace.header().pid);
  std::printf("threads:      %u\n", trace.threads());
  std::printf("operations:   %s (malloc %s, calloc %s, aligned %s, realloc %s, free %s)\n",
              with_commas(sum.ops).c_str(), kind(OpKind::kAlloc).c_str(), kind(OpKind::kCalloc).c_str(),
              kind(OpKind::kAligned).c_str(), kind(OpKind::kRealloc).c_str(), kind(OpKind::kFree).c_str());
  std::printf("freed by another thread: %s\n", with_commas(sum.cross_thread_frees).c_str());
  std::printf("allocated:    %s\n", human_bytes(static_cast<double>(sum.allocated_bytes)).c_str());
  std::printf("live at peak: %s in %s objects; at the end %s\n",
              human_bytes(static_cast<double>(sum.peak_live_bytes)).c_str(), with_commas(sum.peak_live_objects).c_str(),
              human_bytes(static_cast<double>(sum.end_live_bytes)).c_str());
  std::printf("trace:        %s of events, %.1f bytes each\n", human_bytes(static_cast<double>(trace.bytes())).c_str(),
              trace.events() == 0 ? 0.0 : static_cast<double>(trace.bytes()) / static_cast<double>(trace.events()));
  if (trace.cut()) std::printf("cut:          the recorder's limit was reached; the program went on\n");
  if (trace.header().ended == 0) std::printf("end:          the program did not end through exit()\n");
  if (sum.unknown_frees > 0) {
    std::printf("left out:     %s frees of objects older than the trace\n", with_commas(sum.unknown_frees).c_str());
  }
  if (sum.lost_frees > 0) {
    std::printf("added:        %s frees that the trace does not have\n", with_commas(sum.lost_frees).c_str());
  }
  print_sizes(sum);
}

}  // namespace

int trace_info(int argc, char** argv) {
  if (argc < 1 || argv[0][0] == '-') {
    std::fprintf(stderr, "usage: fastmem trace-info TRACE...\n");
    return 2;
  }
  for (int i = 0; i < argc; ++i) {
    TraceReader trace;
    if (!trace.open(argv[i])) {
      std::fprintf(stderr, "fastmem: %s\n", trace.error().c_str());
      return 2;
    }
    print(argv[i], trace, summarize(trace));
    if (i + 1 < argc) std::printf("\n");
  }
  return 0;
}

}  // namespace fastmem::tools
