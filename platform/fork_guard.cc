// SPDX-License-Identifier: BSD-3-Clause
#include "platform/fork_guard.h"

#include <pthread.h>

#include <atomic>

#include "platform/check.h"

namespace fastmem {
namespace {

constexpr unsigned kRanks = 32;
constinit std::atomic<const ForkHandlers*> g_handlers[kRanks] =
    {};  // release: publishes the handlers; pairs with each_*()

template <class Step>
void each_ascending(Step step) {
  for (unsigned r = 0; r < kRanks; ++r) {
    if (const ForkHandlers* const h = g_handlers[r].load(std::memory_order_acquire)) step(*h);
  }
}
template <class Step>
void each_descending(Step step) {
  for (unsigned r = kRanks; r-- > 0;) {
    if (const ForkHandlers* const h = g_handlers[r].load(std::memory_order_acquire)) step(*h);
  }
}

void before() {
  each_ascending([](const ForkHandlers& h) { h.before(); });
}
void after_in_parent() {
  each_descending([](const ForkHandlers& h) { h.after_in_parent(); });
}
void after_in_child() {
  each_descending([](const ForkHandlers& h) { h.after_in_child(); });
}

}  // namespace

void guard_fork(LockRank rank, const ForkHandlers& handlers) {
  static const int registered = pthread_atfork(before, after_in_parent, after_in_child);
  FM_CHECK(registered == 0);
  g_handlers[static_cast<unsigned>(rank)].store(&handlers, std::memory_order_release);
}

}  // namespace fastmem
