// SPDX-License-Identifier: BSD-3-Clause
// core/maintain.h -- floor 2 (core). Memory that comes ahead of need and goes by itself: what users register, and what a
// heap remembers of it in this process.
// What:      watermarks (core/watermarks.h), decay (core/decay.h) and pressure are answered by whoever is in
//            Heap::maintain(): a thread of the user's, or the heap's own. Where nobody is, threads that miss tell about
//            marks and let decay go on; nothing grows ahead of need then.
// Threads:   callbacks are called on the thread that answers, with no lock of the heap held: they may allocate and free,
//            but not maintain, press, or stop the maintainer (kReentered). One that is replaced may run once more.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/mutex.h"
#include "platform/result.h"
#include "platform/types.h"

namespace fastmem::core {

// Plain types: the C interface has the same ones.
inline constexpr int kBelowLow = 1;   // free memory of the node fell below its low mark
inline constexpr int kAboveHigh = 2;  // it rose above its high mark
using WatermarkCallback = void (*)(int event, int node, std::size_t bytes_free, void* context);

inline constexpr int kSomePressure = 1;  // threads wait for memory: what is idle goes
inline constexpr int kFullPressure = 2;  // hardly anything else happens: all that is free goes
using PressureCallback = void (*)(int level, void* context);

// What a thread that has something else to do gives back at once.
inline constexpr Bytes kMostInline = kMiB * 8;

// When the kernel is asked to call (PSI): threads waited for so long within a window. 0: not at all.
struct PressureConfig {
  std::uint32_t some_us = 200'000;
  std::uint32_t full_us = 100'000;
  std::uint32_t window_us = 2'000'000;  // 500 ms to 10 s; multiples of 2 s need no rights
};

// Where both a function and its context come from one call.
template <class Function>
struct Callback {
  Function function = nullptr;
  void* context = nullptr;
};

// This thread calls a user's function: what it asks of maintenance is refused, and its misses answer nothing.
class Answering {
 public:
  Answering();
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  ~Answering();
  static bool is_going_on();
  static Error refusal();
};

// Of one heap, in this process.
class Maintenance {
 public:
  constexpr Maintenance() = default;

  enum class Thread : std::uint8_t { kNone, kRuns, kStops };
  static constexpr std::size_t kTriggers = 2;  // some, full

  Mutex mutex{LockRank::kMaintain};
  Callback<WatermarkCallback> on_watermark FM_GUARDED_BY(mutex);
  Callback<PressureCallback> on_pressure FM_GUARDED_BY(mutex);
  Thread thread FM_GUARDED_BY(mutex) = Thread::kNone;
  pthread_t id FM_GUARDED_BY(mutex) = {};
  bool triggers_tried FM_GUARDED_BY(mutex) = false;

  // Opened once, under mutex; closed when no other thread uses the heap. release: pairs with Heap::call_maintainer().
  std::atomic<int> wake_event{-1};
  int triggers[kTriggers] = {-1, -1};      // written under mutex, before the first sleep; then by the one that sleeps
  std::atomic<bool> trigger_taken{false};  // one sleeper at a time looks at them

  std::atomic<bool> stop{false};           // the heap's own thread ends its rounds. relaxed: the wake event follows it
  std::atomic<unsigned> inside{0};         // threads in maintain(). relaxed: as are all below, hints for slow paths
  std::atomic<std::uint64_t> left{0};      // monotonic ns when the last one left
  std::atomic<std::uint64_t> decay_ns{0};  // the time constant; 0: no decay
  std::atomic<std::uint64_t> calm_until{0};  // monotonic ns: nothing grows ahead of need after pressure
};

}  // namespace fastmem::core
