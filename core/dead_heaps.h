// SPDX-License-Identifier: BSD-3-Clause
// core/dead_heaps.h -- floor 2 (core). Checked heaps that are gone: their addresses stay taken for a while, with a heap in
// them that has nothing and refuses everything, so that who still uses one is named.
// Threads:   bury() from any thread; the last kMostDead are kept.
#pragma once

#include "platform/types.h"

namespace fastmem::core {

inline constexpr unsigned kMostDead = 16;

// The memory of a heap that is gone, which is unreserved once so many more have gone.
void bury(void* heap, Bytes size);

}  // namespace fastmem::core
