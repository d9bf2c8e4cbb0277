// SPDX-License-Identifier: BSD-3-Clause
// core/listener_list.h -- floor 2 (core). A heap's listeners, and how each of them is called.
// What:      a callback runs as in platform/thread_slot.h's CallbackScope: its thread reaches no heap. Errors get the
//            name of who made them.
// Callers:   Heap (core/heap_events.cc).
// Locks:     mutex (rank kListeners) guards the list, and is held while a region comes or goes and while callbacks run:
//            so each listener hears of each region exactly once.
#pragma once

#include <atomic>
#include <cstddef>

#include "core/memory_events.h"
#include "platform/mutex.h"

namespace fastmem::core {

// kReentered, told as the thread's last error, in a thread that runs a listener's callback.
ErrorCode refuse_in_callback();

class ListenerList {
 public:
  static constexpr unsigned kMost = 8;
  static constexpr std::size_t kNameRoom = 32;

  bool empty() const { return count_.load(std::memory_order_relaxed) == 0; }
  bool wants_iovas() const FM_REQUIRES(mutex);

  // kInvalid, kExists, kNoSpace.
  Error add(const MemoryListener& listener) FM_REQUIRES(mutex);
  unsigned find(const char* name) const FM_REQUIRES(mutex);  // kMost: not there
  unsigned count() const FM_REQUIRES(mutex) { return count_.load(std::memory_order_relaxed); }
  MemoryListener take_out(unsigned index) FM_REQUIRES(mutex);

  // All of them. An error of one: those before heard goes().
  Error came(const MemoryEvent& memory) FM_REQUIRES(mutex);
  void goes(const MemoryEvent& memory) FM_REQUIRES(mutex) { goes_before(memory, count()); }
  Error may_grow(NodeId node, Bytes size, Bytes held) FM_REQUIRES(mutex);
  // One of them.
  Error came_to(unsigned index, const MemoryEvent& memory) FM_REQUIRES(mutex);
  void goes_to(unsigned index, const MemoryEvent& memory) FM_REQUIRES(mutex);

  // Whoever made another process made it without listeners.
  void reset_in_child() FM_NO_THREAD_SAFETY_ANALYSIS {
    count_.store(0, std::memory_order_relaxed);
    mutex.reset_in_child();
  }

  Mutex mutex{LockRank::kListeners};

 private:
  struct Entry {
    MemoryListener listener;
    char name[kNameRoom];
  };
  void goes_before(const MemoryEvent& memory, unsigned index) FM_REQUIRES(mutex);

  std::atomic<unsigned> count_{0};  // writer: under mutex. relaxed: who must know for sure takes it
  Entry entries_[kMost] FM_GUARDED_BY(mutex) = {};
};

}  // namespace fastmem::core
