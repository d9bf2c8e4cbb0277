// SPDX-License-Identifier: BSD-3-Clause
// bench/size_histogram.cc -- Q: which sizes are live when a recorded program holds most? Prints bench/traced_sizes.h's
// table from a trace of `fastmem record`.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "tools/trace/objects.h"
#include "tools/trace/reader.h"
#include "tools/trace/summary.h"

namespace {

using fastmem::tools::ObjectOp;
using fastmem::tools::ObjectTracker;
using fastmem::tools::OpKind;
using fastmem::tools::TraceEvent;
using fastmem::tools::TraceReader;

using Histogram = std::map<std::uint64_t, std::uint64_t>;  // size, objects of that size

Histogram live_at(TraceReader& trace, std::uint64_t last_op) {
  ObjectTracker objects(trace.threads());
  std::vector<std::uint64_t> size_of;
  std::vector<bool> alive;
  TraceEvent event;
  ObjectOp ops[2];
  for (std::uint64_t done = 0; done <= last_op && trace.next(event);) {
    const std::size_t n = objects.take(event, ops);
    for (std::size_t i = 0; i < n; ++i, ++done) {
      size_of.resize(std::max<std::size_t>(size_of.size(), ops[i].object + 1));
      alive.resize(size_of.size());
      size_of[ops[i].object] = ops[i].size;
      alive[ops[i].object] = ops[i].kind != OpKind::kFree;
    }
  }
  Histogram histogram;
  for (std::size_t i = 0; i < size_of.size(); ++i) {
    if (alive[i] && size_of[i] != 0) ++histogram[size_of[i]];
  }
  return histogram;
}

// Sizes with few objects, though they may hold many bytes, stand for their neighbours: runs of sizes, each with at least
// `least` objects or bytes worth a hundredth of all, become their mean size.
void print_table(const Histogram& histogram) {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  for (const auto& [size, n] : histogram) objects += n, bytes += n * size;
  std::printf("// %llu objects, %llu bytes\n", static_cast<unsigned long long>(objects),
              static_cast<unsigned long long>(bytes));
  std::uint64_t run_objects = 0;
  std::uint64_t run_bytes = 0;
  for (auto at = histogram.begin(); at != histogram.end(); ++at) {
    run_objects += at->second;
    run_bytes += at->second * at->first;
    const bool enough = run_objects * 200 >= objects || run_bytes * 100 >= bytes || std::next(at) == histogram.end();
    if (!enough) continue;
    std::printf("    {%llu, %llu},\n", static_cast<unsigned long long>((run_bytes + run_objects / 2) / run_objects),
                static_cast<unsigned long long>(run_objects));
    run_objects = run_bytes = 0;
  }
}

}  // namespace

int main(int argc, char** argv) {
  TraceReader trace;
  if (argc != 2 || !trace.open(argv[1])) {
    std::fprintf(stderr, "usage: size_histogram TRACE\n%s\n", trace.error().c_str());
    return EXIT_FAILURE;
  }
  print_table(live_at(trace, fastmem::tools::summarize(trace).peak_op));
  return EXIT_SUCCESS;
}
