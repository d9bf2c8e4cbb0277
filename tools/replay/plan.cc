// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/plan.h"

#include <algorithm>

namespace fastmem::tools {

std::uint32_t Plan::floor_for(std::uint32_t epoch) const {
  const std::uint32_t previous = epoch == 0 ? 0 : epoch - 1;
  return epoch > peak_epoch ? std::max(previous, peak_epoch + 1) : previous;
}

Plan make_plan(TraceReader& trace, const TraceSummary& summary) {
  Plan plan;
  plan.recorded_threads = trace.threads();
  plan.threads.resize(std::min(trace.threads(), kMaxThreads));
  ObjectTracker objects(trace.threads());
  MappedVector<std::uint32_t> turns;  // by object
  std::uint32_t epoch = 0;
  std::uint64_t in_epoch = 0;
  TraceEvent event;
  ObjectOp ops[2];
  plan.threads_in_epoch.push_back(0);
  while (trace.next(event)) {
    const std::size_t n = objects.take(event, ops);
    for (std::size_t i = 0; i < n; ++i) {
      const ObjectOp& op = ops[i];
      if (turns.size() < objects.objects()) turns.resize(objects.objects());
      ThreadPlan& thread = plan.threads[op.thread % plan.threads.size()];
      const auto at = static_cast<std::uint32_t>(thread.ops.size());
      if (thread.segments.empty() || thread.segments.back().epoch != epoch) {
        thread.segments.push_back({epoch, at, at});
        ++plan.threads_in_epoch[epoch];
      }
      thread.ops.push_back({.size = op.size,
                            .kind = static_cast<std::uint8_t>(op.kind),
                            .align_log2 = op.align_log2,
                            .object = op.object,
                            .turn = turns[op.object]++});
      thread.segments.back().end = at + 1;
      const bool peak = plan.ops == summary.peak_op;
      if (peak) plan.peak_epoch = epoch;
      ++plan.ops;
      if (++in_epoch == kEpochOps || peak) {
        plan.threads_in_epoch.push_back(0);
        ++epoch;
        in_epoch = 0;
      }
    }
  }
  plan.objects = objects.objects();
  trace.rewind();
  return plan;
}

}  // namespace fastmem::tools
