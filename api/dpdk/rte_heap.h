// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/rte_heap.h -- floor 3 (api). The one heap of rte_fastmem.h, and what the files of that interface share.
// Callers:   the bodies of rte_fastmem.h; telemetry.
// Locks:     one mutex (rank kDefaultHeap), in rte_heap.cc, guards that the heap comes and goes.
#pragma once

#include <rte_fastmem.h>

#include <atomic>
#include <functional>

#include "api/errors.h"
#include "core/heap.h"

namespace fastmem::dpdk {

// Heap::absent between deinit and init. release: publishes the heap; read without order on the hot path, because the
// pointer itself is all that is needed to reach what it points to.
[[gnu::visibility("hidden")]] extern std::atomic<core::Heap*> g_rte_heap;

[[gnu::always_inline]] inline core::Heap& rte_heap() { return *g_rte_heap.load(std::memory_order_relaxed); }

inline constexpr const char* kHeapName = "rte_fastmem";  // what telemetry calls it

// `existed`: there is one already, and nothing was done.
Error make_rte_heap(bool& existed);
void destroy_rte_heap();

// Calls `look` while the heap cannot go. false: there is none.
bool with_rte_heap(const std::function<void(core::Heap& heap)>& look);

// Of a slot; of one class, or of all (0). A slot that nobody has used yet counted nothing.
core::SlotStats stats_of_slot(const core::Heap& heap, SlotId slot, std::size_t class_size);
// Of all threads without an lcore id.
core::SlotStats stats_of_shared(const core::Heap& heap, std::size_t class_size);

// In DPDK a socket that is not there is a bad argument.
inline int to_rte_errno(ErrorCode code) { return to_errno(code == ErrorCode::kNoNode ? ErrorCode::kInvalid : code); }

// kNoNode's place is taken by a node that no heap has.
inline NodeId to_node(int socket_id) {
  constexpr NodeId kNowhere{0xfffe};
  if (socket_id == SOCKET_ID_ANY) return kAnyNode;
  return socket_id >= 0 && socket_id < kNowhere.rep ? NodeId{static_cast<std::uint16_t>(socket_id)} : kNowhere;
}

}  // namespace fastmem::dpdk
