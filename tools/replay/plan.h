// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/plan.h -- Q: what does each thread of a replay do, and what must it wait for?
// Every operation on an object has a turn: its place among the operations on that object's number. An operation waits
// until the turn is its own, so a free by one thread waits for the allocation by another; otherwise threads run freely,
// within an epoch or two of each other: the trace is divided into epochs, and a thread enters epoch e once all threads
// have left e - 2. Without that, threads that the program started one after the other would run side by side,
// and hold more memory than the program ever did.
#pragma once

#include <cstdint>

#include "tools/trace/mapped_memory.h"
#include "tools/trace/objects.h"
#include "tools/trace/reader.h"
#include "tools/trace/summary.h"

namespace fastmem::tools {

struct PlannedOp {
  std::uint64_t size : 48;
  std::uint64_t kind : 8;
  std::uint64_t align_log2 : 8;
  std::uint32_t object;
  std::uint32_t turn;
};
static_assert(sizeof(PlannedOp) == 16);

// A thread's operations in one epoch.
struct Segment {
  std::uint32_t epoch;
  std::uint32_t first;
  std::uint32_t end;
};

struct ThreadPlan {
  MappedVector<PlannedOp> ops;
  MappedVector<Segment> segments;
};

struct Plan {
  MappedVector<ThreadPlan> threads;
  MappedVector<std::uint32_t> threads_in_epoch;
  std::uint32_t objects = 0;
  std::uint32_t peak_epoch = 0;  // ends with the operation after which most bytes were live
  std::uint32_t recorded_threads = 0;
  std::uint64_t ops = 0;

  // The first epoch that must be running before epoch e may start.
  std::uint32_t floor_for(std::uint32_t epoch) const;
};

inline constexpr std::uint32_t kMaxThreads = 256;  // more are folded: a real thread plays several
inline constexpr std::uint64_t kEpochOps = 16384;

Plan make_plan(TraceReader& trace, const TraceSummary& summary);

}  // namespace fastmem::tools
