// SPDX-License-Identifier: BSD-3-Clause
// core/trace_totals.h -- floor 2 (core). Objects by the place where they were allocated: how many, and how many bytes.
// What:      a fixed table, so that a heap can list its leaks without asking anybody for memory. Some 48 KiB: not for a
//            small stack. Zeroed memory is an empty one.
// Callers:   a checked heap's list of leaks; one thread at a time.
#pragma once

#include <cstdint>
#include <span>

#include "core/trace_depot.h"
#include "platform/types.h"

namespace fastmem::core {

class TraceTotals {
 public:
  struct Group {
    TraceId trace;
    std::uint32_t used;  // 0: nothing here
    std::uint64_t objects;
    std::uint64_t bytes;
  };
  static constexpr unsigned kMostGroups = 1024;

  // The first kMostGroups traces have groups of their own; what comes of others is one sum.
  void add(TraceId trace, Bytes size);

  // The groups, most bytes first; of equal ones, most objects first. Nothing may be added after.
  std::span<const Group> sort();

  const Group& others() const { return others_; }
  const Group& all() const { return all_; }

 private:
  static constexpr unsigned kPlaces = 2 * kMostGroups;

  Group& group(TraceId trace);

  Group groups_[kPlaces] = {};
  Group others_ = {};
  Group all_ = {};
  unsigned n_ = 0;
};

static_assert(Shareable<TraceTotals>);

}  // namespace fastmem::core
