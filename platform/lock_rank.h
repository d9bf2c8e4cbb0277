// SPDX-License-Identifier: BSD-3-Clause
// platform/lock_rank.h -- floor 0. The whole lock order, outermost first. A thread takes locks only in ascending rank;
// checked builds assert it.
#pragma once

#include <cstdint>

namespace fastmem {

enum class LockRank : std::uint8_t {
  kDefaultHeap,  // one thread makes the default heap; the DPDK heap comes and goes
  kHeapNames,    // which heap has which name
  kDeadHeaps,    // which addresses are kept of heaps that are gone
  kHeapList,     // which heaps exist in this process
  kSlotTable,    // which thread has which slot
  kMaintain,     // one heap's callbacks and its maintaining thread
  kHeapAdmin,    // one heap's configuration changes, reserve, trim
  kStats,        // one heap's statistics are read, or their baselines set
  kZones,        // one heap's named zones
  kGrowth,       // one thread at a time grows a node
  kListeners,    // a region comes or goes, and who listens is told
  kRefusal,      // why a node did not grow
  kBacking,      // a backing's own books
  kRegionTable,  // one heap's regions and their IOVAs
  kSlot,         // one slot's caches, against a thread that takes from them
  kBin,          // one (class, node): slabs and depot
  kPageHeap,     // one node: extents
  kRecords,      // one heap: records and quarantines of checked objects come
  kQuarantine,   // one slot's freed objects at rest, or the heap's large ones
  kArena,        // metadata memory
};

}  // namespace fastmem
