// SPDX-License-Identifier: BSD-3-Clause
#include "tools/trace/summary.h"

#include <bit>

namespace fastmem::tools {

TraceSummary summarize(TraceReader& trace) {
  TraceSummary sum;
  ObjectTracker objects(trace.threads());
  MappedVector<std::uint32_t> maker;  // by object: the thread that made it
  TraceEvent event;
  ObjectOp ops[2];
  while (trace.next(event)) {
    const std::size_t n = objects.take(event, ops);
    for (std::size_t i = 0; i < n; ++i) {
      const ObjectOp& op = ops[i];
      ++sum.ops;
      ++sum.by_kind[static_cast<std::size_t>(op.kind)];
      if (maker.size() < objects.objects()) maker.resize(objects.objects());
      if (op.kind == OpKind::kFree) {
        if (maker[op.object] != op.thread) ++sum.cross_thread_frees;
        continue;
      }
      maker[op.object] = op.thread;
      sum.allocated_bytes += op.size;
      ++sum.by_size[static_cast<std::size_t>(std::bit_width(op.size == 0 ? 0 : op.size - 1))];
    }
    if (n > 0 && objects.live_bytes() > sum.peak_live_bytes) {
      sum.peak_live_bytes = objects.live_bytes();
      sum.peak_live_objects = objects.live_objects();
      sum.peak_op = sum.ops - 1;
    }
  }
  sum.end_live_bytes = objects.live_bytes();
  sum.unknown_frees = objects.unknown_frees();
  sum.lost_frees = objects.lost_frees();
  trace.rewind();
  return sum;
}

}  // namespace fastmem::tools
