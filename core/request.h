// SPDX-License-Identifier: BSD-3-Clause
// core/request.h -- floor 2 (core). All that can be asked of an allocation.
#pragma once

#include <cstddef>

#include "platform/types.h"

namespace fastmem::core {

inline constexpr unsigned kZero = 1;        // every byte asked for reads 0
inline constexpr unsigned kStrict = 2;      // never another node than the one asked
inline constexpr unsigned kAnyKind = 4;     // what any node holds comes before more of the one asked
inline constexpr unsigned kContiguous = 8;  // one run in IOVA space, checked page by page
inline constexpr unsigned kKnownFlags = kZero | kStrict | kAnyKind | kContiguous;

struct Request {
  std::size_t size = 0;
  std::size_t align = 0;     // 0: the heap's default; else a power of two of any size
  std::size_t boundary = 0;  // a power of two, multiples of which the object does not cross (nor its IOVAs, if
                             // contiguous); 0: none
  unsigned flags = 0;
  NodeId node = kAnyNode;
};

}  // namespace fastmem::core
