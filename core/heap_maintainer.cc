// SPDX-License-Identifier: BSD-3-Clause
// core/heap_maintainer.cc -- floor 2 (core). The thread of the heap's own that maintains it, and what it sleeps on.
#include <csignal>
#include <cstring>

#include "core/heap.h"
#include "platform/clock.h"
#include "platform/wake_event.h"

namespace fastmem::core {

Error Heap::open_wake_event() {
  const LockGuard guard(maintenance_.mutex);
  if (maintenance_.wake_event.load(std::memory_order_relaxed) >= 0) return {};
  const Result<int> event = fastmem::open_wake_event();
  if (!event.ok()) return event.error();
  maintenance_.wake_event.store(event.value(), std::memory_order_release);
  return {};
}

Error Heap::start_maintainer() {
  if (Answering::is_going_on()) return Answering::refusal();
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  if (lost_) return make_error(ErrorCode::kNotReady, "this heap's memory is not inherited by fork");
  if (const Error error = open_wake_event(); !error.ok()) return error;
  const LockGuard guard(maintenance_.mutex);
  if (maintenance_.thread != Maintenance::Thread::kNone) {
    return make_error(ErrorCode::kBusy, "this heap's maintainer runs already");
  }
  maintenance_.stop.store(false);
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto run = [](void* heap) -> void* { return static_cast<Heap*>(heap)->run_maintainer(), nullptr; };
  const int failed = pthread_create(&maintenance_.id, nullptr, run, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed != 0) {
    return make_error(ErrorCode::kNoMemory, "no thread to maintain a heap (%s); see ulimit -u", std::strerror(failed));
  }
  maintenance_.thread = Maintenance::Thread::kRuns;
  maintenance_.left.store(monotonic_ns());  // as good as there
  return {};
}

void Heap::run_maintainer() {
  pthread_setname_np(pthread_self(), "fastmem");
  while (!maintenance_.stop.load() && maintain(kForever).ok()) {
  }
}

Error Heap::stop_maintainer() {
  if (Answering::is_going_on()) return Answering::refusal();
  if (refuse_in_callback() != ErrorCode::kOk) return last_error();
  pthread_t id;
  {
    const LockGuard guard(maintenance_.mutex);
    if (maintenance_.thread != Maintenance::Thread::kRuns) return {};
    maintenance_.thread = Maintenance::Thread::kStops;
    id = maintenance_.id;
  }
  maintenance_.stop.store(true);
  signal_wake_event(maintenance_.wake_event.load(std::memory_order_acquire));
  pthread_join(id, nullptr);
  const LockGuard guard(maintenance_.mutex);
  maintenance_.stop.store(false);
  maintenance_.thread = Maintenance::Thread::kNone;
  maintenance_.left.store(0);  // from now on who misses looks after it
  return {};
}

// Nobody else uses the heap: it goes, or this is the child of a fork, where no maintainer runs, and what its parent's one
// sleeps on is not for it to signal.
void Heap::close_maintenance() FM_NO_THREAD_SAFETY_ANALYSIS {
  int event = maintenance_.wake_event.exchange(-1);
  close_file(event);
  for (int& trigger : maintenance_.triggers) close_file(trigger);
  maintenance_.triggers_tried = false;
  maintenance_.trigger_taken.store(false);
  maintenance_.thread = Maintenance::Thread::kNone;
  maintenance_.stop.store(false);
  maintenance_.inside.store(0);
  maintenance_.left.store(0);
}

}  // namespace fastmem::core
