// SPDX-License-Identifier: BSD-3-Clause
// platform/fork_guard.h -- floor 0. Locks across fork, in the one order of platform/lock_rank.h: whoever owns locks that a
// child must not inherit taken says so once. pthread_atfork alone would order them by who came first.
#pragma once

#include "platform/lock_rank.h"

namespace fastmem {

struct ForkHandlers {
  void (*before)();           // takes the locks
  void (*after_in_parent)();  // gives them back
  void (*after_in_child)();   // makes them as new
};

// `rank` is the first lock that `before` takes; one set of handlers for each rank, registered any number of times.
// Call before the locks are first used.
void guard_fork(LockRank rank, const ForkHandlers& handlers);

}  // namespace fastmem
