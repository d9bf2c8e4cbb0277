// SPDX-License-Identifier: BSD-3-Clause
#include "core/dead_heaps.h"

#include <array>
#include <atomic>
#include <utility>

#include "platform/address_space.h"
#include "platform/mutex.h"

namespace fastmem::core {
namespace {

struct Grave {
  void* heap = nullptr;
  Bytes size;
};

struct Graves {
  Mutex mutex{LockRank::kDeadHeaps};
  std::array<Grave, kMostDead> graves FM_GUARDED_BY(mutex) = {};
  unsigned next FM_GUARDED_BY(mutex) = 0;
};
constinit Graves g_dead;

}  // namespace

void bury(void* heap, Bytes size) {
  const LockGuard guard(g_dead.mutex);
  const Grave oldest = std::exchange(g_dead.graves[g_dead.next], Grave{heap, size});
  g_dead.next = (g_dead.next + 1) % kMostDead;
  if (oldest.heap != nullptr) unreserve(oldest.heap, oldest.size);
}

}  // namespace fastmem::core
