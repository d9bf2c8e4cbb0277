// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/rte_heap.h -- floor 3 (api). What the files of rte_fastmem.h share: the one heap, sockets and errno.
#pragma once

#include <rte_fastmem.h>

#include <atomic>
#include <cerrno>

#include "core/heap.h"

namespace fastmem::dpdk {

// Heap::absent between deinit and init. release: publishes the heap; read without order on the hot path, because the
// pointer itself is all that is needed to reach what it points to.
[[gnu::visibility("hidden")]] extern std::atomic<core::Heap*> g_rte_heap;

[[gnu::always_inline]] inline core::Heap& rte_heap() { return *g_rte_heap.load(std::memory_order_relaxed); }

inline int to_errno(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return 0;
    case ErrorCode::kNoMemory:
      return ENOMEM;
    case ErrorCode::kTooBig:
      return E2BIG;
    case ErrorCode::kNotReady:
      return ENODEV;
    case ErrorCode::kUnsupported:
      return ENOTSUP;
    case ErrorCode::kPermission:
      return EPERM;
    case ErrorCode::kNoNode:
    case ErrorCode::kInvalid:
    case ErrorCode::kForeignPointer:
    case ErrorCode::kDoubleFree:
      break;
  }
  return EINVAL;
}

// kNoNode's place is taken by a node that no heap has.
inline NodeId to_node(int socket_id) {
  constexpr NodeId kNowhere{0xfffe};
  if (socket_id == SOCKET_ID_ANY) return kAnyNode;
  return socket_id >= 0 && socket_id < kNowhere.rep ? NodeId{static_cast<std::uint16_t>(socket_id)} : kNowhere;
}

}  // namespace fastmem::dpdk
