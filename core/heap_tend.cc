// SPDX-License-Identifier: BSD-3-Clause
// core/heap_tend.cc -- floor 2 (core). What nobody has used for a while goes back: a burst leaves nothing hoarded, and
// idle threads hold almost nothing.
//
// There is no thread for it unless somebody maintains the heap (core/heap_maintain.cc). A thread that is in its slow
// path anyway looks, every few milliseconds and one for all, at one slot and a few bins. A round takes half a second at
// least; what it finds as the round before left it was idle in between. So nothing goes back while every thread is
// idle: Heap::trim() does it at once.
#include <algorithm>

#include "core/heap.h"
#include "platform/clock.h"

namespace fastmem::core {
namespace {

constexpr std::uint64_t kTendEvery = 4'000'000;  // ns
constexpr std::uint64_t kRound = 500'000'000;    // ns
constexpr unsigned kBinsAtOnce = 8;
constexpr std::size_t kMost = 1024;  // objects moved at once, about: the thread that tends has something else to do
constexpr std::size_t kMostByItself = 16 * kMost;  // by one that has not: slots and bins are held for it

}  // namespace

// Not with the first allocation.
void Heap::begin_tending() { state_->tend_due.store(monotonic_ns() + kRound, std::memory_order_relaxed); }

void Heap::tend_slow(Slot& own) {
  if (state_->account.attention.load(std::memory_order_relaxed) == Account::kWanted) [[unlikely]]
    attend_slow();
  const std::uint64_t now = monotonic_ns();
  std::uint64_t due = state_->tend_due.load(std::memory_order_relaxed);
  if (now < due || !state_->tend_due.compare_exchange_strong(due, now + kTendEvery, std::memory_order_relaxed)) return;
  if (maintenance_.decay_ns.load(std::memory_order_relaxed) != 0 && !is_maintained(now)) {
    for (unsigned n = 0; n < node_count_; ++n) decay(n, now, kMostInline, false);
  }
  const bool slots_done = tend_next_slot(&own, kMost);
  const bool bins_done = tend_next_bins(kMost);
  if (slots_done && bins_done && now >= state_->tend_round_ends.load(std::memory_order_relaxed)) end_round(now);
}

// By who does nothing else: the rest of the round.
void Heap::tend_all(std::uint64_t now) {
  if (now < state_->tend_round_ends.load(std::memory_order_relaxed)) return;
  state_->tend_due.store(now + kTendEvery, std::memory_order_relaxed);
  while (!tend_next_slot(nullptr, kMostByItself)) {
  }
  while (!tend_next_bins(kMostByItself)) {
  }
  forget_some_use();
  end_round(now);
}

void Heap::end_round(std::uint64_t now) {
  state_->tend_round_ends.store(now + kRound, std::memory_order_relaxed);
  state_->tend_slot.store(0, std::memory_order_relaxed);
  state_->tend_bin.store(0, std::memory_order_relaxed);
}

// true: the round is through with slots.
bool Heap::tend_next_slot(const Slot* own, std::size_t most) {
  unsigned id = state_->tend_slot.load(std::memory_order_relaxed);
  while (id < kMaxSlots && slot(id) == nullptr) ++id;
  if (Slot* const s = id < kMaxSlots ? slot(id) : nullptr) {
    Strays strays;
    // Nobody is inside the shared slot's caches without its lock.
    const bool alone = s == own || id == kNoSlot.rep;
    s->shed_idle(state_->bins, 0, state_->bin_count(), alone, most, strays);
    settle(strays);
    ++id;  // what is left is as idle in the next round
  }
  state_->tend_slot.store(id, std::memory_order_relaxed);
  return id >= kMaxSlots;
}

bool Heap::tend_next_bins(std::size_t most) {
  const unsigned first = state_->tend_bin.load(std::memory_order_relaxed);
  const unsigned last = std::min(first + kBinsAtOnce, state_->bin_count());
  for (unsigned b = first; b < last; ++b) {
    Strays strays;
    state_->bins[b].release_idle(most, strays);
    settle(strays);
  }
  state_->tend_bin.store(last, std::memory_order_relaxed);
  return last == state_->bin_count();
}

}  // namespace fastmem::core
