// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/results.h"

#include <algorithm>
#include <cstdio>

#include "tools/replay/plan.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

template <class Figure>
double median(const std::vector<PlayResult>& runs, Figure figure) {
  std::vector<double> values;
  values.reserve(runs.size());
  for (const PlayResult& run : runs) values.push_back(figure(run));
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n == 0 ? 0 : (values[(n - 1) / 2] + values[n / 2]) / 2;
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

void print_row(const TraceResults& trace, const AllocatorResults& allocator) {
  const char* const name = allocator.info->name;
  if (!allocator.installed) {
    std::printf("  %-10s not installed (package %s)\n", name, allocator.info->package);
  } else if (!allocator.error.empty()) {
    std::printf("  %-10s failed: %s\n", name, allocator.error.c_str());
  } else if (allocator.runs.empty()) {
    std::printf("  %-10s not run\n", name);
  } else {
    const Medians m = medians(trace, allocator);
    std::printf("  %-10s %9.3f s %9.1f %9.1f %9.1f %10.1f MiB %9.2f\n", name, m.seconds, m.cycles_per_op,
                m.alloc_cycles, m.free_cycles, m.peak_rss / (1 << 20), m.fragmentation);
  }
}

std::string json_of(const PlayResult& run) {
  return format(
      "{\"start_seconds\": %.6f, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"ops\": %llu, \"allocs\": %llu, "
      "\"alloc_cycles\": %.0f, "
      "\"free_cycles\": %.0f, \"peak_rss\": %llu, \"rss_at_peak_live\": %llu}",
      run.start_seconds, run.seconds, run.cpu_seconds, static_cast<unsigned long long>(run.ops),
      static_cast<unsigned long long>(run.allocs), run.alloc_cycles, run.free_cycles,
      static_cast<unsigned long long>(run.peak_rss), static_cast<unsigned long long>(run.rss_at_peak));
}

void write_allocator(std::FILE* file, const TraceResults& trace, const AllocatorResults& allocator) {
  std::fprintf(file, "      {\"name\": \"%s\", \"installed\": %s", allocator.info->name,
               allocator.installed ? "true" : "false");
  if (!allocator.error.empty()) std::fprintf(file, ", \"error\": %s", quoted_json(allocator.error).c_str());
  if (allocator.measured()) {
    const Medians m = medians(trace, allocator);
    std::fprintf(file,
                 ",\n       \"median\": {\"start_seconds\": %.6f, \"seconds\": %.6f, \"cpu_seconds\": %.6f, "
                 "\"cycles_per_op\": %.2f, "
                 "\"cycles_per_alloc\": %.2f, \"cycles_per_free\": %.2f, \"peak_rss\": %.0f, \"fragmentation\": %.4f},"
                 "\n       \"runs\": [",
                 m.start_seconds, m.seconds, m.cpu_seconds, m.cycles_per_op, m.alloc_cycles, m.free_cycles, m.peak_rss,
                 m.fragmentation);
    for (std::size_t i = 0; i < allocator.runs.size(); ++i) {
      std::fprintf(file, "%s%s", i == 0 ? "" : ",\n                ", json_of(allocator.runs[i]).c_str());
    }
    std::fprintf(file, "]");
  }
  std::fprintf(file, "}");
}

// Of any run: all count the same.
const PlayResult* any_run(const TraceResults& trace) {
  for (const AllocatorResults& allocator : trace.allocators) {
    if (allocator.measured()) return &allocator.runs.front();
  }
  return nullptr;
}

void write_trace(std::FILE* file, const TraceResults& trace) {
  const PlayResult* const run = any_run(trace);
  std::fprintf(file,
               "    {\"name\": %s, \"path\": %s, \"command\": %s, \"threads\": %u, \"cut\": %s,\n"
               "     \"operations\": %llu, \"peak_live_bytes\": %llu, \"large_objects\": %llu, \"large_bytes\": %llu,\n"
               "     \"allocators\": [\n",
               quoted_json(trace.name).c_str(), quoted_json(trace.path).c_str(), quoted_json(trace.command).c_str(),
               trace.threads, trace.cut ? "true" : "false", static_cast<unsigned long long>(trace.summary.ops),
               static_cast<unsigned long long>(trace.summary.peak_live_bytes),
               static_cast<unsigned long long>(run == nullptr ? 0 : run->large_objects),
               static_cast<unsigned long long>(run == nullptr ? 0 : run->large_bytes));
  for (std::size_t i = 0; i < trace.allocators.size(); ++i) {
    write_allocator(file, trace, trace.allocators[i]);
    std::fprintf(file, "%s\n", i + 1 == trace.allocators.size() ? "" : ",");
  }
  std::fprintf(file, "     ]}");
}

}  // namespace

Medians medians(const TraceResults& trace, const AllocatorResults& allocator) {
  const auto of = [&](auto figure) { return median(allocator.runs, figure); };
  const auto ops = [](const PlayResult& r) { return static_cast<double>(r.ops); };
  const auto allocs = [](const PlayResult& r) { return static_cast<double>(r.allocs); };
  const auto live = static_cast<double>(trace.summary.peak_live_bytes);
  return {
      .start_seconds = of([](const PlayResult& r) { return r.start_seconds; }),
      .seconds = of([](const PlayResult& r) { return r.seconds; }),
      .cpu_seconds = of([](const PlayResult& r) { return r.cpu_seconds; }),
      .cycles_per_op = of([&](const PlayResult& r) { return ratio(r.alloc_cycles + r.free_cycles, ops(r)); }),
      .alloc_cycles = of([&](const PlayResult& r) { return ratio(r.alloc_cycles, allocs(r)); }),
      .free_cycles = of([&](const PlayResult& r) { return ratio(r.free_cycles, ops(r) - allocs(r)); }),
      .peak_rss = of([](const PlayResult& r) { return static_cast<double>(r.peak_rss); }),
      .fragmentation = of([&](const PlayResult& r) { return ratio(static_cast<double>(r.rss_at_peak), live); }),
  };
}

void print_table(const TraceResults& trace, std::uint64_t limit) {
  std::printf("%s: %s\n", trace.name.c_str(), trace.command.c_str());
  std::printf("  %s operations, %u thread%s, at most %s live%s\n", human_count(trace.summary.ops).c_str(),
              trace.threads, trace.threads == 1 ? "" : "s",
              human_bytes(static_cast<double>(trace.summary.peak_live_bytes)).c_str(),
              trace.cut ? "; the trace was cut at the recorder's limit" : "");
  if (trace.threads > kMaxThreads) {
    std::printf("  played by %u threads: each stands for several recorded ones\n", kMaxThreads);
  }
  std::printf("  %-10s %11s %9s %9s %9s %14s %9s\n", "allocator", "time", "cycles/op", "alloc", "free", "peak RSS",
              "RSS/live");
  for (const AllocatorResults& allocator : trace.allocators) print_row(trace, allocator);
  for (const AllocatorResults& allocator : trace.allocators) {
    const double start = allocator.measured() ? medians(trace, allocator).start_seconds : 0;
    if (start > 0) {
      std::printf("  %s had its first memory after %.0f ms, which are in the time but not in the cycles\n",
                  allocator.info->name, start * 1e3);
    }
  }
  if (const PlayResult* const run = any_run(trace)) {
    std::printf("  %s objects above %s, %s together, are the system allocator's on every side\n",
                with_commas(run->large_objects).c_str(), human_bytes(static_cast<double>(limit)).c_str(),
                human_bytes(static_cast<double>(run->large_bytes)).c_str());
  }
}

void print_legend() {
  std::printf(
      "time: the whole replay; new memory is written as a program would. cycles: of the time stamp counter, inside "
      "the\n"
      "allocator's calls, time off the CPU taken out. peak RSS: above what the process held before, with huge pages.\n"
      "RSS/live: memory held per byte asked for, when most bytes were live. Medians; the allocators took turns.\n");
}

bool write_json(const std::string& path, const std::vector<TraceResults>& traces, std::uint64_t limit) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fprintf(file, "{\n  \"max_size\": %llu,\n  \"traces\": [\n", static_cast<unsigned long long>(limit));
  for (std::size_t i = 0; i < traces.size(); ++i) {
    write_trace(file, traces[i]);
    std::fprintf(file, "%s\n", i + 1 == traces.size() ? "" : ",");
  }
  std::fprintf(file, "  ]\n}\n");
  const bool good = std::ferror(file) == 0;
  return std::fclose(file) == 0 && good;
}

}  // namespace fastmem::tools
