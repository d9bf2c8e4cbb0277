// SPDX-License-Identifier: BSD-3-Clause
// core/heap_state.h -- floor 2 (core). Everything a heap knows, as plain data at the start of its arena.
// What:      no virtual function, no function pointer, no pointer into one process: a second process that maps the
//            arena at the same address finds a heap. What belongs to this process alone (Backing, Topology, views)
//            is in Heap.
// Callers:   Heap makes it and is its only user.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/bin.h"
#include "core/decay.h"
#include "core/region_table.h"
#include "core/slot.h"
#include "core/zone_table.h"
#include "platform/thread_slot.h"
#include "platform/topology.h"

namespace fastmem::core {

inline constexpr std::uint64_t kStateMagic = 0x6d656d7473616661;  // "afastmem"
inline constexpr std::uint32_t kStateVersion = 1;

struct StateHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t layout;  // changes with any size that two builds might disagree on
};

// One NUMA node of the heap.
struct alignas(kLinePair) NodeState {
  NodeState(NodeId id_, const PageMap* map, ExtentTable* extents, Account* account, Bytes limit)
      : id(id_), pages(map, extents, account, limit) {}

  NodeId id;
  std::uint8_t nearest[kMaxNodes] = {};  // this node's index, then those that may stand in for it, by distance
  unsigned reach = 0;                    // how many these are
  unsigned kin = 0;                      // of these, the first so many are of its own kind
  PageHeap pages;
  std::atomic<std::size_t> floor{0};  // bytes that stay, whatever goes back. relaxed: set under the heap's admin lock
  std::atomic<std::uint64_t> large_nomem{0};  // large objects asked for in vain. relaxed: statistics
  // Of growth ahead of need; written under the heap's admin lock. relaxed: a stale one is as good.
  std::atomic<std::size_t> ahead{0};  // bytes used while memory comes: asked for so long before the low mark is reached
  bool marks_are_new = true;          // how fast memory is used is not known yet
  std::atomic<std::uint64_t> no_growth_ahead_before{0};  // monotonic ns: there was none

  Mutex growth{LockRank::kGrowth};                           // one thread at a time asks the backing for this node
  unsigned failures FM_GUARDED_BY(growth) = 0;               // growths that failed in a row
  std::uint64_t no_growth_before FM_GUARDED_BY(growth) = 0;  // monotonic ns: the backing had nothing, again and again
  std::atomic<bool> asking{false};                           // writer: under growth. The backing is being asked

  Decay decay;              // under growth, as is all below
  void* came_at = nullptr;  // what came last, whose pages come when they are touched
  Bytes came;

  mutable Mutex refusal{LockRank::kRefusal};
  Error why_not FM_GUARDED_BY(refusal) = {};  // what the backing said last

  // The log is told once of each shortage, and not more often than every second.
  std::atomic<std::uint64_t> told_arrivals{0};  // relaxed: a line too many does no harm
  std::atomic<std::uint64_t> told_until{0};     // monotonic ns

  // A thread that finds nothing says so before it looks again, everywhere. Who brings something later then counts it.
  // seq_cst: one of the two sees the other.
  std::atomic<bool> wanted{false};
  std::atomic<std::uint64_t> arrivals{1};

  // Objects, relaxed: statistics.
  std::atomic<std::uint64_t> sent_elsewhere{0};     // asked here, served by another node
  std::atomic<std::uint64_t> served_for_others{0};  // asked of another node, served here

  void say_why_not(const Error& error) FM_EXCLUDES(refusal) {
    const LockGuard guard(refusal);
    why_not = error;
  }
  Error refused_because() const FM_EXCLUDES(refusal) {
    const LockGuard guard(refusal);
    return why_not;
  }
  // More may be had than before: the backing is asked again, and the next shortage is told.
  void forget_refusals() FM_REQUIRES(growth) {
    failures = 0;
    no_growth_before = 0;
    told_arrivals.store(0, std::memory_order_relaxed);
    told_until.store(0, std::memory_order_relaxed);
  }
  void note_came(const Region& region, Bytes offset, Bytes size) {
    const bool lazily = region.page_size < kMiB * 2;  // larger ones are there when they come
    came_at = lazily ? static_cast<std::byte*>(region.base) + offset.rep : nullptr;
    came = size;
  }
  std::uint64_t watch() {
    wanted.store(true);
    return arrivals.load();
  }
  void note_arrival() {
    if (wanted.load(std::memory_order_acquire) && wanted.exchange(false)) arrivals.fetch_add(1);
  }
};

// What was seen when a bin had nothing, nowhere: it still has nothing while nothing arrives. After a while another look
// is taken all the same: the backing may have more by now.
struct Drought {
  std::atomic<std::uint64_t> arrivals{0};  // relaxed: both are hints for the slow path
  std::atomic<std::uint64_t> until{0};     // monotonic ns
};

struct HeapState {
  HeapState(void* arena_base, Bytes arena_size, Profile profile_, bool in_pieces, Bytes cache_budget,
            const Hardening& hardening)
      : header{kStateMagic, kStateVersion, layout()},
        arena(arena_base, arena_size),
        profile(profile_),
        classes(in_pieces ? in_least_slabs(size_classes(profile_)) : size_classes(profile_)),
        regions(&arena),
        zones(&arena),
        budget(cache_budget),
        hardener(hardening, &regions) {}

  static constexpr std::uint32_t layout() {
    return static_cast<std::uint32_t>(sizeof(Extent) + 31 * sizeof(Cache) + 961 * sizeof(Bin) + 29791 * sizeof(Slot));
  }

  StateHeader header;
  Arena arena;
  Profile profile;
  SizeClasses classes;  // a copy: the constant table lies elsewhere in another process
  PageMap map;
  ExtentTable extents;
  RegionTable regions;
  ZoneTable zones;
  CacheBudget budget;
  Hardener hardener;
  Account account;
  unsigned node_count = 0;
  NodeState* nodes = nullptr;                // [node_count]
  Bin* bins = nullptr;                       // [node_count * kMaxClasses]; the first of each row serves no class
  Drought* droughts = nullptr;               // one for each bin
  std::atomic<Slot*> slots[kMaxSlots] = {};  // release: publishes the slot; pairs with Heap::slot()

  // Heap::tend_slow(): when it is due, in monotonic ns, and what it looks at next. relaxed: whoever moves `due` on has
  // its turn, and a slot or bin that is passed over or looked at twice does no harm.
  std::atomic<std::uint64_t> tend_due{0};
  std::atomic<std::uint64_t> tend_round_ends{0};
  std::atomic<unsigned> tend_slot{0};
  std::atomic<unsigned> tend_bin{0};

  std::atomic<std::uint64_t> elsewhere{0};  // relaxed: statistics
  std::atomic<std::uint64_t> misuses{0};

  unsigned bin_count() const { return node_count * kMaxClasses; }
};

static_assert(Shareable<HeapState>);

}  // namespace fastmem::core
