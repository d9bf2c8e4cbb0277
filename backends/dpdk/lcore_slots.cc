// SPDX-License-Identifier: BSD-3-Clause
#include "backends/dpdk/lcore_slots.h"

#include <rte_errno.h>
#include <rte_lcore.h>

namespace fastmem {
namespace {

static_assert(RTE_MAX_LCORE < kMaxSlots / 2, "threads without an lcore id need slots, too");

void* g_callback = nullptr;  // written by follow_lcores() only

SlotId wished_slot() {
  const unsigned lcore = rte_lcore_id();
  return lcore < RTE_MAX_LCORE ? slot_of_lcore(lcore) : kNoSlot;
}

// Runs in the thread that registers, before it has its id. EAL also calls it for lcores that exist already, in whichever
// thread: that one keeps its slot.
int on_lcore_comes(unsigned /*lcore_id*/, void* /*arg*/) {
  if (rte_lcore_id() == LCORE_ID_ANY) release_thread_slot();
  return 0;
}

void on_lcore_goes(unsigned lcore_id, void* /*arg*/) {
  if (rte_lcore_id() == lcore_id) release_thread_slot();
}

}  // namespace

bool is_shared_slot(SlotId slot) { return slot == kNoSlot || slot > slot_of_lcore(RTE_MAX_LCORE - 1); }

// For good: a slot that was given out in between would be nobody's.
Error follow_lcores() {
  if (g_callback == nullptr) {
    wish_for_slots(wished_slot, slot_of_lcore(RTE_MAX_LCORE - 1));
    g_callback = rte_lcore_callback_register("fastmem", on_lcore_comes, on_lcore_goes, nullptr);
    if (g_callback == nullptr) {
      wish_for_slots(nullptr, kNoSlot);
      return make_error(ErrorCode::kNoMemory, "EAL takes no lcore callback: %s", rte_strerror(rte_errno));
    }
  }
  if (thread_slot() != wished_slot()) release_thread_slot();  // from before EAL numbered its threads
  return {};
}

}  // namespace fastmem
