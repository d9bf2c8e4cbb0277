// SPDX-License-Identifier: BSD-3-Clause
#include "core/trace_totals.h"

#include <algorithm>

namespace fastmem::core {

void TraceTotals::add(TraceId trace, Bytes size) {
  for (Group* const g : {&group(trace), &all_}) {
    ++g->objects;
    g->bytes += size.rep;
  }
}

// Half of the places stay empty, so a search ends.
TraceTotals::Group& TraceTotals::group(TraceId trace) {
  unsigned place = trace.rep * 0x9e3779b1u >> 16;
  for (;; ++place) {
    Group& g = groups_[place % kPlaces];
    if (g.used != 0 && g.trace != trace) continue;
    if (g.used == 0 && n_ == kMostGroups) return others_;
    if (g.used == 0) {
      g.used = 1;
      g.trace = trace;
      ++n_;
    }
    return g;
  }
}

std::span<const TraceTotals::Group> TraceTotals::sort() {
  std::partition(groups_, groups_ + kPlaces, [](const Group& g) { return g.used != 0; });
  std::sort(groups_, groups_ + n_, [](const Group& a, const Group& b) {
    if (a.bytes != b.bytes) return a.bytes > b.bytes;
    return a.objects != b.objects ? a.objects > b.objects : a.trace < b.trace;
  });
  return {groups_, n_};
}

}  // namespace fastmem::core
