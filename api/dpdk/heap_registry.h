// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/heap_registry.h -- floor 3 (api). This process's heaps on EAL's memory, by name.
// What:      makes and destroys them; telemetry looks at them while the lock keeps them from going.
// Callers:   rte_fastmem_init() and _deinit(), the mempool ops, telemetry.
// Locks:     mutex (rank kDefaultHeap) guards the list.
#pragma once

#include <functional>

#include "core/heap.h"

namespace fastmem::dpdk {

struct HeapPlan {
  const char* name;         // what telemetry calls it; a literal
  const char* zone_prefix;  // its memzones begin so
  Bytes first_region;       // the least that it takes from EAL at a time
};

// Of both: no other heap of this name is there.
Result<core::Heap*> make_heap(const HeapPlan& plan);
void destroy_heap(core::Heap* heap);

// Calls `look` with the heap of that name, or the oldest one (nullptr, ""); false: there is none.
bool with_heap(const char* name, const std::function<void(const char* name, core::Heap& heap)>& look);
void for_each_heap(const std::function<void(const char* name, core::Heap& heap)>& look);

}  // namespace fastmem::dpdk
