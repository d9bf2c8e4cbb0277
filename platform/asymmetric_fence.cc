// SPDX-License-Identifier: BSD-3-Clause
#include "platform/asymmetric_fence.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fastmem {
namespace {

enum class Registered : int { kUnknown, kYes, kNo };
std::atomic<Registered> g_registered{Registered::kUnknown};  // relaxed: registering twice is harmless

}  // namespace

bool heavy_fence() {
  Registered registered = g_registered.load(std::memory_order_relaxed);
  if (registered == Registered::kUnknown) {
    registered = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 ? Registered::kYes
                                                                                               : Registered::kNo;
    g_registered.store(registered, std::memory_order_relaxed);
  }
  return registered == Registered::kYes && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void reset_heavy_fence_in_child() { g_registered.store(Registered::kUnknown, std::memory_order_relaxed); }

}  // namespace fastmem
