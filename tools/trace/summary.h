// SPDX-License-Identifier: BSD-3-Clause
// tools/trace/summary.h -- Q: what is in a trace, in a few numbers?
#pragma once

#include <array>
#include <cstdint>

#include "tools/trace/objects.h"
#include "tools/trace/reader.h"

namespace fastmem::tools {

struct TraceSummary {
  std::uint64_t ops = 0;
  std::array<std::uint64_t, 5> by_kind{};   // by OpKind
  std::array<std::uint64_t, 64> by_size{};  // allocations and reallocs of at most 1 << i bytes, above the previous
  std::uint64_t allocated_bytes = 0;
  std::uint64_t cross_thread_frees = 0;
  std::uint64_t peak_live_bytes = 0;
  std::uint64_t peak_live_objects = 0;  // at that moment
  std::uint64_t peak_op = 0;            // the first op after which peak_live_bytes were live
  std::uint64_t end_live_bytes = 0;
  std::uint64_t unknown_frees = 0;
  std::uint64_t lost_frees = 0;
};

// Reads the trace to its end and rewinds it.
TraceSummary summarize(TraceReader& trace);

}  // namespace fastmem::tools
