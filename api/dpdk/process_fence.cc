// SPDX-License-Identifier: BSD-3-Clause
#include "api/dpdk/process_fence.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <rte_common.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace fastmem::dpdk {

constinit ThisProcess g_this_process{};

namespace {

std::uint64_t new_token() {
  std::uint64_t token = 0;
  if (getrandom(&token, sizeof(token), GRND_NONBLOCK) != sizeof(token)) {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    token = static_cast<std::uint64_t>(now.tv_nsec) << 32 | static_cast<std::uint32_t>(getpid());
  }
  return token | 1;
}

void enter_process() {
  g_this_process.token = new_token();
  g_this_process.takes_fences = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

RTE_INIT(fastmem_enter_process) {
  enter_process();
  pthread_atfork(nullptr, nullptr, enter_process);
}

}  // namespace

bool heavy_fence_for_all() { return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0; }

}  // namespace fastmem::dpdk
