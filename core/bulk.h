// SPDX-License-Identifier: BSD-3-Clause
// core/bulk.h -- floor 2 (core). What can be told of many pointers at once.
// Callers:   Heap's bulk functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/size_class.h"

namespace fastmem::core {

inline constexpr std::size_t kMostAtOnce = 4096;

// Whether all n pointers, 1 to kMostAtOnce, lie in one granule: one look-up then tells the bin of all, and none is NULL
// if the first is not. Two at a time: a look-up for each would cost more than all else.
[[gnu::always_inline]] inline bool in_one_granule(void* const* ptrs, std::size_t n) {
  using Pair [[gnu::vector_size(16), gnu::aligned(8), gnu::may_alias]] = std::uintptr_t;
  const auto first = reinterpret_cast<std::uintptr_t>(ptrs[0]);
  const Pair firsts = {first, first};
  Pair even = {};
  Pair odd = {};
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    even |= *reinterpret_cast<const Pair*>(ptrs + i) ^ firsts;
    odd |= *reinterpret_cast<const Pair*>(ptrs + i + 2) ^ firsts;
  }
  even |= odd;
  std::uintptr_t differences = even[0] | even[1];
  for (void* const* rest = ptrs + i; rest != ptrs + n; ++rest) {
    differences |= reinterpret_cast<std::uintptr_t>(*rest) ^ first;
  }
  return differences < kGranule;
}

}  // namespace fastmem::core
