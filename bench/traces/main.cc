// SPDX-License-Identifier: BSD-3-Clause
// bench/traces/main.cc -- Q: what does the stack trace of an alloc or a free cost, against the C library's ways to get one?
//
// Each way is called many times below so many frames, in turns with the others; the figure is the median of the runs. What
// a walk needs to know is known: the first of a place costs more, by some microseconds.
#include <execinfo.h>
#include <unwind.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

#include "bench/clock.h"
#include "bench/machine.h"
#include "core/trace_cache.h"
#include "platform/stack_trace.h"

namespace bench {
namespace {

namespace core = fastmem::core;

constexpr int kUsageError = 2;
constexpr unsigned kMost = core::kMostTraceFrames;
constexpr unsigned kDepths[] = {8, kMost};
constexpr const char* kTracesUsage =
    R"(Usage: traces [--quick]

  --quick          a tenth of the calls: for a first look
)";

struct Ways {
  Books<std::byte> memory{core::kTraceMemory.rep};
  Books<std::byte> table{core::TraceCache::table_size().rep};
  core::TraceDepot depot{memory.data(), core::kTraceMemory};
  core::TraceCache cache{table.data(), &depot};
};

_Unwind_Reason_Code count_frame(_Unwind_Context* context, void* into) {
  auto& n = *static_cast<unsigned*>(into);
  return _Unwind_GetIP(context) == 0 || ++n == kMost ? _URC_END_OF_STACK : _URC_NO_REASON;
}

// Each says how many frames it saw.
[[gnu::noinline]] unsigned by_cache(Ways& ways) {
  const core::TraceId id = ways.cache.here(__builtin_frame_address(0));
  return id == core::kNoTrace ? 0 : kMost;
}
unsigned by_depot(Ways& ways) {
  void* pcs[kMost];
  const unsigned n = fastmem::capture_stack(pcs, kMost);
  return ways.depot.add({pcs, n}) == core::kNoTrace ? 0 : n;
}
unsigned by_walk(Ways&) {
  void* pcs[kMost];
  return fastmem::capture_stack(pcs, kMost);
}
unsigned by_unwinder(Ways&) {
  unsigned n = 0;
  _Unwind_Backtrace(count_frame, &n);
  return n;
}
unsigned by_backtrace(Ways&) {
  void* pcs[kMost];
  return static_cast<unsigned>(backtrace(pcs, kMost));
}

struct Way {
  const char* name;
  unsigned (*take)(Ways&);
  double share;  // of the calls: what is slow needs fewer
};
constexpr Way kWays[] = {
    {"number of a known trace (core/trace_cache.h)", by_cache, 1},
    {"walk, then its number (core/trace_depot.h)", by_depot, 0.5},
    {"walk (platform/stack_trace.h)", by_walk, 0.5},
    {"_Unwind_Backtrace", by_unwinder, 0.05},
    {"backtrace", by_backtrace, 0.05},
};

struct Runs {
  Ways ways;
  unsigned calls = 0;
  std::vector<double> cycles[std::size(kWays)];
};

void run_all(Runs& runs) {
  constexpr unsigned kRuns = 31;
  for (unsigned run = 0; run < kRuns; ++run) {
    for (std::size_t w = 0; w < std::size(kWays); ++w) {
      const auto calls = static_cast<unsigned>(runs.calls * kWays[w].share);
      const std::uint64_t before = ticks();
      for (unsigned i = 0; i < calls; ++i) {
        if (kWays[w].take(runs.ways) == 0) std::abort();
      }
      runs.cycles[w].push_back(static_cast<double>(ticks() - before) / calls);
    }
  }
}

[[gnu::noinline]] void below(unsigned frames, Runs& runs) {
  if (frames == 0) {
    run_all(runs);
  } else {
    below(frames - 1, runs);
  }
  asm volatile("" ::: "memory");  // no tail call
}

double median(std::vector<double>& numbers) {
  std::nth_element(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2), numbers.end());
  return numbers[numbers.size() / 2];
}

// Until a trace from there has so many frames: those of main() and of what called it count.
unsigned frames_to_add(unsigned depth) {
  void* pcs[kMost];
  const unsigned there = fastmem::capture_stack(pcs, kMost) + 1;
  return depth > there ? depth - there : 0;
}

void traces_main(bool quick) {
  std::printf("%s; cycles of the time-stamp counter at %.3f GHz for a trace, medians of runs that take turns.\n\n",
              processor().c_str(), ticks_per_ns());
  std::vector<double> figures[std::size(kWays)];
  std::printf("%-48s", "frames");
  for (const unsigned depth : kDepths) {
    std::printf("%10u", depth);
    Runs runs;
    runs.calls = quick ? 400 : 4000;
    below(frames_to_add(depth), runs);
    for (std::size_t w = 0; w < std::size(kWays); ++w) figures[w].push_back(median(runs.cycles[w]));
  }
  for (std::size_t w = 0; w < std::size(kWays); ++w) {
    std::printf("\n%-48s", kWays[w].name);
    for (const double figure : figures[w]) std::printf("%10.0f", figure);
  }
  std::printf("\n");
  if (quick) std::printf("A first look, not a verdict.\n");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      quick = true;
    } else if (std::strcmp(argv[i], "--help") == 0 || std::strcmp(argv[i], "-h") == 0) {
      std::fputs(kTracesUsage, stdout);
      return EXIT_SUCCESS;
    } else {
      std::fprintf(stderr, "traces: unknown option %s\n%s", argv[i], kTracesUsage);
      return kUsageError;
    }
  }
  all_cpus();  // before pin()
  pin(all_cpus().back());
  traces_main(quick);
  return EXIT_SUCCESS;
}
