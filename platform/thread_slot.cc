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

__thread const char* t_callback_of [[gnu::tls_model("initial-exec")]] = nullptr;

constexpr unsigned kWords = kMaxSlots / 64;

struct SlotTable {
  Mutex mutex{LockRank::kSlotTable};
  std::uint64_t taken[kWords] FM_GUARDED_BY(mutex) = {1};  // bit 0: slot 0 is nobody's
  pthread_key_t key FM_GUARDED_BY(mutex) = 0;
  bool has_key FM_GUARDED_BY(mutex) = false;
  SlotWish wish FM_GUARDED_BY(mutex) = nullptr;
  unsigned reserved FM_GUARDED_BY(mutex) = 0;  // slots 1 .. reserved are for wishes
  std::atomic<SlotExitHook> hook{nullptr};     // release: publishes what the hook needs; pairs with on_thread_exit()
  std::atomic<unsigned> free_slots{kMaxSlots - 1};  // a hint that spares a full table the lock. relaxed
};
constinit SlotTable g_table;

void give_back(SlotId slot) {
  const LockGuard guard(g_table.mutex);
  g_table.taken[slot.rep / 64] &= ~(std::uint64_t{1} << (slot.rep % 64));
  g_table.free_slots.fetch_add(1, std::memory_order_relaxed);
}

void leave_slot() {
  const SlotId slot = thread_slot();
  if (slot == kNoSlot) return;
  if (const SlotExitHook hook = g_table.hook.load(std::memory_order_acquire)) hook(slot);
  t_slot_offset = 0;
  give_back(slot);
}

// Destructors of other thread-specific data may still allocate after this one: they share slot 0.
void on_thread_exit(void*) {
  t_ending = true;
  leave_slot();
}

bool is_taken(unsigned slot) FM_REQUIRES(g_table.mutex) { return (g_table.taken[slot / 64] >> (slot % 64) & 1) != 0; }

// 0: none is free.
unsigned choose_slot() FM_REQUIRES(g_table.mutex) {
  const unsigned wished = g_table.wish != nullptr ? g_table.wish().rep : 0;
  if (wished != 0 && wished <= g_table.reserved && !is_taken(wished)) return wished;
  const unsigned first = g_table.reserved + 1;
  for (unsigned w = first / 64; w < kWords; ++w) {
    const std::uint64_t reserved = w == first / 64 ? (std::uint64_t{1} << (first % 64)) - 1 : 0;
    const unsigned bit = static_cast<unsigned>(std::countr_one(g_table.taken[w] | reserved));
    if (bit < 64) return w * 64 + bit;
  }
  return 0;
}

}  // namespace

SlotId claim_thread_slot() {
  if (t_slot_offset != 0) return thread_slot();
  if (t_ending || t_callback_of != nullptr || g_table.free_slots.load(std::memory_order_relaxed) == 0) return kNoSlot;
  const LockGuard guard(g_table.mutex);
  if (!g_table.has_key) {
    if (pthread_key_create(&g_table.key, on_thread_exit) != 0) return kNoSlot;
    g_table.has_key = true;
  }
  const unsigned slot = choose_slot();
  // Without its destructor a thread would keep its slot for ever.
  if (slot == 0 || pthread_setspecific(g_table.key, &g_table) != 0) return kNoSlot;
  g_table.taken[slot / 64] |= std::uint64_t{1} << (slot % 64);
  g_table.free_slots.fetch_sub(1, std::memory_order_relaxed);
  t_slot_offset = slot * kSlotStride;
  return thread_slot();
}

void release_thread_slot() { leave_slot(); }

void wish_for_slots(SlotWish wish, SlotId last_reserved) {
  const LockGuard guard(g_table.mutex);
  g_table.wish = wish;
  g_table.reserved = wish != nullptr ? last_reserved.rep : 0;
}

CallbackScope::CallbackScope(const char* whose) : slot_offset_(t_slot_offset), outer_(t_callback_of) {
  t_callback_of = whose;
  t_slot_offset = 0;
}

CallbackScope::~CallbackScope() {
  t_slot_offset = slot_offset_;
  t_callback_of = outer_;
}

const char* callback_owner() { return t_callback_of; }

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
