// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/schedule.h -- Q: who may go on? Turns of objects and epochs of the trace, for the threads of a replay.
#pragma once

#include <sched.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "tools/replay/memory_use.h"
#include "tools/replay/plan.h"

namespace fastmem::tools {

struct ObjectState {
  std::atomic<std::uint32_t> turn{0};  // release by who had the turn; acquire by who waits for the next
  void* ptr = nullptr;
  std::uint64_t size = 0;  // with ptr, only touched in one's turn
};

inline void pause_thread() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Until ready(): a while on the CPU, then leaving it to others.
template <class Ready>
void wait_until(Ready ready) {
  for (int i = 0; i < 200; ++i) {
    if (ready()) return;
    pause_thread();
  }
  for (int i = 0; i < 50; ++i) {
    if (ready()) return;
    sched_yield();
  }
  const timespec nap{0, 20'000};
  while (!ready()) nanosleep(&nap, nullptr);
}

class Schedule {
 public:
  explicit Schedule(const Plan& plan) : plan_(plan), left_(plan.threads_in_epoch.size()) {
    for (std::size_t e = 0; e < left_.size(); ++e) left_[e].store(plan.threads_in_epoch[e]);
    advance();
  }

  void wait_for(std::uint32_t epoch) {
    const std::uint32_t floor = plan_.floor_for(epoch);
    for (std::uint32_t now; (now = floor_.load(std::memory_order_acquire)) < floor;) floor_.wait(now);
  }
  void leave(std::uint32_t epoch) {
    if (left_[epoch].fetch_sub(1, std::memory_order_acq_rel) == 1) advance();
  }

  // Something is wrong: nobody waits any more.
  void stop() {
    stopped_.store(true, std::memory_order_relaxed);
    floor_.store(UINT32_MAX, std::memory_order_release);
    floor_.notify_all();
  }
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

  MemoryUse at_peak() const { return at_peak_; }
  std::uint64_t most_hugetlb() const { return most_hugetlb_; }

 private:
  static constexpr std::uint32_t kSampleEvery = 8;

  // All epochs below the floor are over. At the end of the peak's epoch nothing else runs: memory is measured.
  void advance() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::uint32_t floor = floor_.load(std::memory_order_relaxed);
    const std::uint32_t before = floor;
    while (floor < left_.size() && left_[floor].load(std::memory_order_acquire) == 0) {
      if (floor == plan_.peak_epoch || floor % kSampleEvery == 0) {
        const MemoryUse now = memory_use();
        if (floor == plan_.peak_epoch) at_peak_ = now;
        if (now.hugetlb > most_hugetlb_) most_hugetlb_ = now.hugetlb;
      }
      ++floor;
      if (!stopped()) floor_.store(floor, std::memory_order_release);
    }
    if (floor != before) floor_.notify_all();
  }

  const Plan& plan_;
  MappedVector<std::atomic<std::uint32_t>> left_;  // threads that have yet to leave the epoch
  std::atomic<std::uint32_t> floor_{0};            // the first epoch that is not over; release: with all it did
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  MemoryUse at_peak_;
  std::uint64_t most_hugetlb_ = 0;
};

}  // namespace fastmem::tools
