// SPDX-License-Identifier: BSD-3-Clause
// core/stats.h -- floor 2 (core). What a heap tells of itself. Objects unless the name says bytes.
// Laws (exact while no other thread is inside the heap):
//   allocs - frees == in_use, counted since the heap exists; a reset moves both and leaves in_use
//   allocs == alloc_hits + alloc_misses;  frees == free_hits + free_misses
//   a class's slabs * objects_per_slab == in_use + cached + free in slabs
//   a node's backing == slabs + free bytes, large objects among the slabs
// Large objects are counted for the heap and its nodes: they have no class and pass no slot.
#pragma once

#include <algorithm>
#include <cstdint>

#include "platform/types.h"

namespace fastmem::core {

struct HeapStats {
  Bytes backing;     // held from the backing, all nodes
  Bytes slabs;       // of these: in slabs and large objects
  Bytes in_use;      // of these: objects handed out, by class size
  Bytes cached;      // of these: free objects in caches and depots
  Bytes cache_room;  // what caches and depots may come to hold now; never more than the budget
  Bytes metadata;    // the heap's own books, outside the backing
  std::uint64_t allocs = 0;
  std::uint64_t frees = 0;
  std::uint64_t nomem = 0;      // objects asked for in vain
  std::uint64_t elsewhere = 0;  // served by another node than the one asked
  std::uint64_t misuses = 0;
  unsigned regions = 0;
  unsigned slots = 0;
  unsigned classes = 0;
  unsigned nodes = 0;
};

struct ClassStats {
  std::size_t size = 0;
  std::uint64_t in_use = 0;
  std::uint64_t cached = 0;
  std::uint64_t free_in_slabs = 0;
  std::uint64_t alloc_hits = 0;
  std::uint64_t alloc_misses = 0;
  std::uint64_t nomem = 0;
  std::uint64_t free_hits = 0;
  std::uint64_t free_misses = 0;
  std::uint64_t slab_acquires = 0;
  std::uint64_t slab_releases = 0;
  std::uint64_t objects_per_slab = 0;
  std::uint32_t slabs_empty = 0;
  std::uint32_t slabs_partial = 0;
  std::uint32_t slabs_full = 0;
};

struct SlotStats {
  std::size_t class_size = 0;  // 0: summed over classes
  std::uint64_t cached = 0;
  std::uint64_t alloc_hits = 0;
  std::uint64_t alloc_misses = 0;
  std::uint64_t nomem = 0;
  std::uint64_t free_hits = 0;
  std::uint64_t free_misses = 0;

  void add(const SlotStats& o) {
    cached += o.cached;
    alloc_hits += o.alloc_hits;
    alloc_misses += o.alloc_misses;
    nomem += o.nomem;
    free_hits += o.free_hits;
    free_misses += o.free_misses;
  }
};

struct NodeStats {
  NodeId node;
  Bytes backing;
  Bytes slabs;
  Bytes free;
  Bytes metadata;  // the books that count against the limit
  Bytes limit;
  unsigned regions = 0;
};

// Of a node, or summed over the nodes of a kind.
struct KindStats {
  std::uint64_t sent_elsewhere = 0;     // asked here, served by another
  std::uint64_t served_for_others = 0;  // asked of another, served here
  Bytes backing;
  Bytes slabs;
  Bytes free;
  Bytes limit;  // the least
  unsigned regions = 0;
  unsigned nodes = 0;
};

// Of a node, or of all.
struct MemoryStats {
  Bytes total;  // held
  Bytes slabs;
  Bytes large;
  Bytes free;  // total == slabs + large + free
  Bytes largest_free;
  Bytes away;  // given back inside of regions
  Bytes floor;
  std::uint64_t free_pieces = 0;
  std::uint64_t large_objects = 0;
  unsigned regions = 0;

  // Thousandths of the free memory that are not in its largest piece.
  unsigned fragmentation() const {
    return free.rep == 0 ? 0 : static_cast<unsigned>(1000 - std::uint64_t{largest_free.rep} * 1000 / free.rep);
  }
  void add(const MemoryStats& o) {
    total += o.total;
    slabs += o.slabs;
    large += o.large;
    free += o.free;
    largest_free = std::max(largest_free, o.largest_free);
    away += o.away;
    floor += o.floor;
    free_pieces += o.free_pieces;
    large_objects += o.large_objects;
    regions += o.regions;
  }
};

struct RegionStats {
  const void* base = nullptr;
  Bytes size;
  Bytes page_size;
  NodeId node;
  bool one_run = false;  // in IOVA space
  Iova iova = kBadIova;  // of the first byte, once somebody asked for one
};

}  // namespace fastmem::core
