// SPDX-License-Identifier: BSD-3-Clause
#include "platform/thread_slot.h"

#include <pthread.h>

#include <atomic>
#include <bit>

#include "platform/mutex.h"

namespace fastmem {

__thread std::uint32_t t_slot_offset [[gnu::tls_model("initial-exec")]] = 0;

namespace {

__thread bool t_ending [[gnu::tls_model("initial-exec")]] = false;  // its destructor ran: never claims again

constexpr unsigned kWords = kMaxSlots / 64;

struct SlotTable {
  Mutex mutex{LockRank::kSlotTable};
  std::uint64_t taken[kWords] FM_GUARDED_BY(mutex) = {1};  // bit 0: slot 0 is nobody's
  pthread_key_t key FM_GUARDED_BY(mutex) = 0;
  bool has_key FM_GUARDED_BY(mutex) = false;
  std::atomic<SlotExitHook> hook{nullptr};  // release: publishes what the hook needs; pairs with on_thread_exit()
  std::atomic<unsigned> free_slots{kMaxSlots - 1};  // a hint that spares a full table the lock. relaxed
};
constinit SlotTable g_table;

void give_back(SlotId slot) {
  const LockGuard guard(g_table.mutex);
  g_table.taken[slot.rep / 64] &= ~(std::uint64_t{1} << (slot.rep % 64));
  g_table.free_slots.fetch_add(1, std::memory_order_relaxed);
}

// Destructors of other thread-specific data may still allocate after this one: they share slot 0.
void on_thread_exit(void*) {
  t_ending = true;
  const SlotId slot = thread_slot();
  if (slot == kNoSlot) return;
  if (const SlotExitHook hook = g_table.hook.load(std::memory_order_acquire)) hook(slot);
  t_slot_offset = 0;
  give_back(slot);
}

}  // namespace

SlotId claim_thread_slot() {
  if (t_slot_offset != 0) return thread_slot();
  if (t_ending || g_table.free_slots.load(std::memory_order_relaxed) == 0) return kNoSlot;
  const LockGuard guard(g_table.mutex);
  if (!g_table.has_key) {
    if (pthread_key_create(&g_table.key, on_thread_exit) != 0) return kNoSlot;
    g_table.has_key = true;
  }
  for (unsigned w = 0; w < kWords; ++w) {
    const unsigned bit = static_cast<unsigned>(std::countr_one(g_table.taken[w]));
    if (bit == 64) continue;
    // Without its destructor a thread would keep its slot for ever.
    if (pthread_setspecific(g_table.key, &g_table) != 0) return kNoSlot;
    g_table.taken[w] |= std::uint64_t{1} << bit;
    g_table.free_slots.fetch_sub(1, std::memory_order_relaxed);
    t_slot_offset = (w * 64 + bit) * kSlotStride;
    return thread_slot();
  }
  return kNoSlot;
}

void set_slot_exit_hook(SlotExitHook hook) { g_table.hook.store(hook, std::memory_order_release); }

void lock_slots_for_fork() { g_table.mutex.lock_for_fork(); }
void unlock_slots_after_fork() { g_table.mutex.unlock_after_fork(); }

void reset_slots_in_child() FM_NO_THREAD_SAFETY_ANALYSIS {
  for (std::uint64_t& word : g_table.taken) word = 0;
  g_table.taken[0] = 1;
  unsigned taken = 1;
  if (const SlotId slot = thread_slot(); slot != kNoSlot) {
    g_table.taken[slot.rep / 64] |= std::uint64_t{1} << (slot.rep % 64);
    ++taken;
  }
  g_table.free_slots.store(kMaxSlots - taken, std::memory_order_relaxed);
  g_table.mutex.reset_in_child();
}

}  // namespace fastmem
