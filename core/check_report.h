// SPDX-License-Identifier: BSD-3-Clause
// core/check_report.h -- floor 2 (core). What Heap::check() saw: how much it looked at, what it could not look at and why,
// and what is wrong. Plain data.
#pragma once

#include <cstdint>

#include "platform/types.h"

namespace fastmem::core {

struct CheckReport {
  struct Finding {
    const char* what = nullptr;   // a fixed sentence
    const void* where = nullptr;  // what it is about: an address in the heap's books, or an object's
  };
  static constexpr unsigned kMostTold = 8;

  // Looked at.
  std::uint64_t slabs = 0;
  std::uint64_t objects = 0;  // free in slabs, in caches and in magazines; at rest, where frees are checked
  std::uint64_t extents = 0;
  std::uint64_t magazines = 0;
  std::uint64_t caches = 0;
  std::uint64_t map_entries = 0;
  std::uint64_t regions = 0;

  // Not looked at.
  std::uint64_t busy = 0;      // parts whose lock could not be had in time
  std::uint64_t running = 0;   // caches whose owner may be inside: what they hold
  std::uint64_t unmarked = 0;  // objects that there was no memory for to say whether they are free twice

  std::uint64_t findings = 0;
  unsigned told = 0;  // of these, the first few
  Finding first[kMostTold];

  bool ok() const { return findings == 0; }
};

static_assert(Shareable<CheckReport>);

}  // namespace fastmem::core
