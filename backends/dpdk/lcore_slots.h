// SPDX-License-Identifier: BSD-3-Clause
// backends/dpdk/lcore_slots.h -- floor 1. Each lcore id has a slot of its own, so that statistics know lcores.
// What:      slot n + 1 belongs to lcore n; threads without an lcore id take theirs from above. A thread that registers
//            with EAL, or unregisters, gives up the slot that it had: its caches are flushed.
// Threads:   follow_lcores() from one thread at a time.
#pragma once

#include "platform/result.h"
#include "platform/thread_slot.h"

namespace fastmem {

inline SlotId slot_of_lcore(unsigned lcore_id) { return SlotId{static_cast<std::uint16_t>(lcore_id + 1)}; }

// Whether threads without an lcore id use this slot.
bool is_shared_slot(SlotId slot);

// After rte_eal_init(), before the first allocation; again does nothing. Lasts as long as the process.
Error follow_lcores();

}  // namespace fastmem
