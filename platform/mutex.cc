// SPDX-License-Identifier: BSD-3-Clause
#include "platform/mutex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/cpu.h"

namespace fastmem {
namespace {

// Longer than any critical section takes on a running owner (one slab scan), far shorter than a time slice.
constexpr int kSpins = 200;

long futex(std::atomic<std::uint32_t>* word, int op, std::uint32_t value) {
  return syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(word), op, value, nullptr, nullptr, 0);
}

}  // namespace

void Mutex::take_slow() {
  const std::uint32_t me = thread_id();
  for (int i = 0; i < kSpins; ++i) {
    std::uint32_t free_word = 0;
    if (word_.load(std::memory_order_relaxed) == 0 &&
        word_.compare_exchange_weak(free_word, me, std::memory_order_acquire)) {
      return;
    }
    pause_briefly();
  }
  // From here on this thread may have slept, and others may sleep still: it takes the lock with the waiters' bit set.
  for (;;) {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    if (seen == 0) {
      if (word_.compare_exchange_weak(seen, me | kWaiters, std::memory_order_acquire)) return;
      continue;
    }
    if ((seen & kWaiters) == 0 && !word_.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_relaxed)) {
      continue;
    }
    futex(&word_, FUTEX_WAIT, seen | kWaiters);  // not _PRIVATE: the word may be in shared memory
  }
}

void Mutex::wake_slow() { futex(&word_, FUTEX_WAKE, 1); }

}  // namespace fastmem
