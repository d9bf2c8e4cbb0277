// SPDX-License-Identifier: BSD-3-Clause
// core/extent.h -- floor 2 (core). What is known of each granule: descriptors in a flat table beside the map.
// What:      an extent is a run of granules of one region: free, free without pages, a slab, or one large object. Its
//            descriptor is that of its first granule. The last one's points back to it, and so do all of a slab's.
// Threads:   the owner of an extent writes its descriptor: PageHeap while it is free, its Bin while it is a slab.
//            PageHeap also looks at its neighbours' region and kind, whoever owns them: those two are atomic, and
//            relaxed, because a neighbour that is not free memory of the same region cannot become it meanwhile.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/page_map.h"
#include "platform/types.h"

namespace fastmem::core {

using ExtentIndex = std::uint32_t;  // a granule's number in the window
inline constexpr ExtentIndex kNoExtent = ~ExtentIndex{0};

enum class ExtentKind : std::uint8_t {
  kNone = 0,
  kFree,
  kAbsent,  // free, and its pages were given back
  kSlab,
  kLarge,
  kAside,      // free, and nothing is taken from it: its memory is detached
  kSlabAside,  // a slab in such memory
};

// The granule behind a slab of a heap that has such, as the slab's last.
enum class GuardKind : std::uint8_t { kNone = 0, kDenied, kMarked };

struct alignas(64) Extent {
  ExtentIndex head;  // the first granule of the extent this granule is in
  std::uint32_t granules;
  ExtentIndex next;  // in the list that kind and bin say
  ExtentIndex prev;
  // 1-based number of the region; 0: no memory here. Set for every granule, constant while there.
  std::atomic<std::uint16_t> region;
  std::atomic<ExtentKind> kind;  // kLarge, release: publishes granules; pairs with Heap::large_at()
  GuardKind guard;               // kSlab
  BinId bin;                     // kSlab, as are the fields below
  std::uint16_t list;            // which of the bin's lists it is in; kFree and kAbsent: of FreeExtents'
  std::uint32_t free;            // objects whose bit is set
  std::uint32_t hint;            // no word below this one has a bit set
  std::uint64_t* bitmap;         // bit set: the object is in the slab, free; &word for slabs of up to 64 objects
  std::uint64_t word;
  std::uint32_t fresh;  // words of the bitmap from this one on were never written: all their objects are free
  std::uint32_t clean;  // kFree and newly taken: granules at its end that read 0
  // kSlab, kLarge of a checked heap: the arena's piece with the objects' records; 0: none yet. release: publishes them;
  // pairs with Checker::records()
  std::atomic<std::uint32_t> records;
  std::uint32_t unused2;
};

static_assert(Shareable<Extent> && sizeof(Extent) == 64);

// The table of all granules' descriptors, laid over the same window as the PageMap.
class ExtentTable {
 public:
  ExtentTable() = default;
  explicit ExtentTable(void* table) : extents_(static_cast<Extent*>(table)) {}

  bool operator==(const ExtentTable&) const = default;

  static Bytes table_size(AddressRange window) { return Bytes{window.size().rep / kGranule * sizeof(Extent)}; }

  Extent& operator[](ExtentIndex i) { return extents_[i]; }
  const Extent& operator[](ExtentIndex i) const { return extents_[i]; }

 private:
  Extent* extents_ = nullptr;
};

// A doubly linked list of extents through their descriptors.
class ExtentList {
 public:
  bool empty() const { return head_ == kNoExtent; }
  ExtentIndex front() const { return head_; }

  void push_front(ExtentTable& table, ExtentIndex i) {
    table[i].prev = kNoExtent;
    table[i].next = head_;
    if (head_ != kNoExtent) table[head_].prev = i;
    head_ = i;
  }
  void remove(ExtentTable& table, ExtentIndex i) {
    const Extent& e = table[i];
    if (e.prev != kNoExtent) {
      table[e.prev].next = e.next;
    } else {
      head_ = e.next;
    }
    if (e.next != kNoExtent) table[e.next].prev = e.prev;
  }

 private:
  ExtentIndex head_ = kNoExtent;
};

}  // namespace fastmem::core
