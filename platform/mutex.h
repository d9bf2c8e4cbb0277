// SPDX-License-Identifier: BSD-3-Clause
// platform/mutex.h -- floor 0. The one lock: spins briefly, then sleeps in the kernel (futex), so a holder that was
// descheduled stops nobody for its time slice. The word holds the owner's thread id, so a dead owner can be found.
// Plain data: works in memory that processes share. Checked builds assert the rank order of platform/lock_rank.h.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/build.h"
#include "platform/check.h"
#include "platform/lock_rank.h"
#include "platform/thread_annotations.h"
#include "platform/thread_id.h"

namespace fastmem {

namespace lock_order {
// Checked builds only. A set bit r: this thread holds a lock of rank r.
inline thread_local std::uint32_t t_held = 0;

inline void will_take(LockRank rank) {
  if constexpr (kCheckedBuild) {
    FM_CHECK((t_held >> static_cast<unsigned>(rank)) == 0);  // ranks ascend, and never two of one rank
    t_held |= 1u << static_cast<unsigned>(rank);
  }
}
inline void gave(LockRank rank) {
  if constexpr (kCheckedBuild) t_held &= ~(1u << static_cast<unsigned>(rank));
}
}  // namespace lock_order

class FM_CAPABILITY("mutex") Mutex {
 public:
  constexpr explicit Mutex(LockRank rank) : rank_(rank) {}
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() = default;

  void lock() FM_ACQUIRE() {
    lock_order::will_take(rank_);
    take();
  }
  bool try_lock() FM_TRY_ACQUIRE(true) {
    std::uint32_t free_word = 0;
    // acquire: as take()
    if (!word_.compare_exchange_strong(free_word, thread_id(), std::memory_order_acquire)) return false;
    lock_order::will_take(rank_);
    return true;
  }
  void unlock() FM_RELEASE() {
    lock_order::gave(rank_);
    give();
  }

  // For what the annotations cannot say: this thread holds it.
  void assert_held() const FM_ASSERT_HELD() {
    FM_DCHECK((word_.load(std::memory_order_relaxed) & ~kWaiters) == thread_id());
  }

  // fork() stops the world: it holds every lock of a rank at once, and its child frees what the parent's thread took.
  void lock_for_fork() FM_NO_THREAD_SAFETY_ANALYSIS { take(); }
  void unlock_after_fork() FM_NO_THREAD_SAFETY_ANALYSIS { give(); }
  void reset_in_child() { word_.store(0, std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kWaiters = 1u << 31;  // beside the owner's thread id

  void take() {
    std::uint32_t free_word = 0;
    // acquire: pairs with give() of the previous owner
    if (!word_.compare_exchange_strong(free_word, thread_id(), std::memory_order_acquire)) take_slow();
  }
  void give() {
    // release: publishes what the lock guards; pairs with take()
    if ((word_.exchange(0, std::memory_order_release) & kWaiters) != 0) wake_slow();
  }
  [[gnu::cold]] void take_slow();
  [[gnu::cold]] void wake_slow();

  std::atomic<std::uint32_t> word_{0};
  LockRank rank_;
};

class FM_SCOPED_CAPABILITY LockGuard {
 public:
  explicit LockGuard(Mutex& mutex) FM_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;
  ~LockGuard() FM_RELEASE() { mutex_.unlock(); }

 private:
  Mutex& mutex_;
};

}  // namespace fastmem
