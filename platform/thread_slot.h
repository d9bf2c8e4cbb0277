// SPDX-License-Identifier: BSD-3-Clause
// platform/thread_slot.h -- floor 0. A small number for each thread of the process, given out on first use and taken
// back when the thread ends. A slot never belongs to two threads at once.
#pragma once

#include <cstdint>

#include "platform/build.h"
#include "platform/types.h"

namespace fastmem {

inline constexpr unsigned kMaxSlots = 1024;
inline constexpr SlotId kNoSlot{0};  // no slot yet, or none was free: such threads share slot 0 under a lock

// The calling thread's slot, as an offset into a table with kSlotStride bytes for each: the hot path reads it on every
// call and adds it to an address.
inline constexpr std::uint32_t kSlotStride = 16;
FASTMEM_EXPORT extern __thread std::uint32_t t_slot_offset [[gnu::tls_model("initial-exec")]];

inline SlotId thread_slot() { return SlotId{static_cast<std::uint16_t>(t_slot_offset / kSlotStride)}; }

// Gives the calling thread a slot when it has none. kNoSlot when all are taken, and once the thread is ending.
SlotId claim_thread_slot();

// The calling thread gives its slot up, as if it ended; its next need gets it another.
void release_thread_slot();

// From now on slots 1 .. last_reserved go only to threads for which `wish` names them (kNoSlot: no wish); nullptr ends
// that. A wish for a slot that another thread has is not granted. Threads keep the slots they have.
using SlotWish = SlotId (*)();
void wish_for_slots(SlotWish wish, SlotId last_reserved);

// Called in a thread that ends, or gives its slot up, before its slot is free for another. One listener for the process.
using SlotExitHook = void (*)(SlotId slot);
void set_slot_exit_hook(SlotExitHook hook);

// While one lives its thread has no slot and claims none: every call into a heap takes its slow twin, which refuses it.
// `whose`: the callback's owner, for messages.
class CallbackScope {
 public:
  explicit CallbackScope(const char* whose);
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;
  ~CallbackScope();

 private:
  std::uint32_t slot_offset_;
  const char* outer_;
};
// Whose callback the calling thread is in; nullptr: in none.
const char* callback_owner();

// Around fork: the table is held while the process splits; in the child only the calling thread keeps its slot.
void lock_slots_for_fork();
void unlock_slots_after_fork();
void reset_slots_in_child();

}  // namespace fastmem
