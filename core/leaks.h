// SPDX-License-Identifier: BSD-3-Clause
// core/leaks.h -- floor 2 (core). Objects that are still handed out, by where they were allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/object_record.h"

namespace fastmem::core {

// Of one call site.
struct LeakGroup {
  TraceId trace = 0;  // 0: not known, or one of those that there was no group for
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;  // as asked
};

struct LeakTotals {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::size_t groups = 0;

  // Counts an object into its group; the last one takes all for which there is none any more.
  void add(std::span<LeakGroup> out, TraceId trace, std::size_t size);
  // Largest first.
  void sort(std::span<LeakGroup> out) const;
};

}  // namespace fastmem::core
