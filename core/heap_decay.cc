// SPDX-License-Identifier: BSD-3-Clause
// core/heap_decay.cc -- floor 2 (core). How free memory that stays free goes back by itself: a share of it for each piece
// of time (core/decay.h), a surplus above the high mark at once. The floor stays, and what growth ahead of need keeps
// free.
#include <algorithm>

#include "core/heap.h"

namespace fastmem::core {

void Heap::set_decay(std::uint64_t ms) {
  if (refuse_in_callback() != ErrorCode::kOk) return;
  const LockGuard guard(admin_);
  maintenance_.decay_ns.store(std::min<std::uint64_t>(ms, kUnlimited.rep / 2'000'000) * 1'000'000);
  for (unsigned n = 0; n < node_count_; ++n) {
    const LockGuard growing(state_->nodes[n].growth);
    state_->nodes[n].decay.begin_again();
  }
  // Who maintains may be asleep for longer than memory now stays.
  if (ms != 0) state_->account.want_attention();
  call_maintainer();
}

// With the heap to itself as trim() has it, and the node as growth has it. {} where others do and the caller has
// something else to do than to wait for them.
template <class Do>
Bytes Heap::alone_in(unsigned node, bool may_wait, Do act) FM_NO_THREAD_SAFETY_ANALYSIS {
  Mutex& growth = state_->nodes[node].growth;
  if (may_wait) {
    const LockGuard guard(admin_);
    const LockGuard growing(growth);
    return act();
  }
  if (!admin_.try_lock()) return {};
  Bytes done;
  if (growth.try_lock()) {
    done = act();
    growth.unlock();
  }
  admin_.unlock();
  return done;
}

Bytes Heap::decay(unsigned node, std::uint64_t now, Bytes most, bool may_wait) {
  return alone_in(node, may_wait, [&] { return decay_locked(node, now, most); });
}

Bytes Heap::give_back_surplus(unsigned node, Bytes most, bool may_wait) {
  return alone_in(node, may_wait, [&] {
    const Watermarks marks = state_->nodes[node].pages.watermarks();
    const Bytes free = state_->nodes[node].pages.free();
    const bool over = marks.high() != Watermarks::kNone && free.rep > marks.high() * kGranule;
    return over ? give_back(node, std::min(free - Bytes{marks.high() * kGranule}, most)) : Bytes{};
  });
}

Bytes Heap::decay_locked(unsigned node, std::uint64_t now, Bytes most) {
  NodeState& n = state_->nodes[node];
  const std::uint64_t constant = maintenance_.decay_ns.load(std::memory_order_relaxed);
  const bool next = n.decay.is_due(now, constant);
  if (constant == 0 || (!next && n.decay.due() < kMostInline.rep)) return {};
  const Bytes least = n.pages.least_free();
  const Bytes kept = kept_free(n);
  const std::size_t idle = least.rep - std::min(least, kept).rep;
  const std::size_t due = next ? n.decay.step(idle, now, constant) : std::min(n.decay.due(), idle);
  const Bytes gone = due >= kGranule ? give_back(node, std::min(Bytes{due}, most)) : Bytes{};
  n.decay.gone(gone.rep);
  if (next) n.pages.begin_idle_period();
  return gone;
}

// Whole regions, then pages inside of them; never more than `most`.
Bytes Heap::give_back(unsigned node, Bytes most) {
  const Bytes held = state_->nodes[node].pages.held();
  const Bytes gone = release_free_regions(node, most, held - std::min(held, most));
  return gone < most ? gone + discard_free_pages(node, most - gone) : gone;
}

}  // namespace fastmem::core
