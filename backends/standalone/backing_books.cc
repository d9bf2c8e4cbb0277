// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/backing_books.h"

#include "platform/fork_guard.h"

namespace fastmem {

constinit Mutex backing_books{LockRank::kBacking};

namespace {

void stop_for_fork() { backing_books.lock_for_fork(); }
void go_on_after_fork() { backing_books.unlock_after_fork(); }
void go_on_in_child() { backing_books.reset_in_child(); }

}  // namespace

void guard_backing_books() {
  static constexpr ForkHandlers kHandlers{stop_for_fork, go_on_after_fork, go_on_in_child};
  guard_fork(LockRank::kBacking, kHandlers);
}

}  // namespace fastmem
