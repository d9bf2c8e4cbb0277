// SPDX-License-Identifier: BSD-3-Clause
// core/page_map.h -- floor 2 (core). From an address to its bin: one flat array over the backing's window.
// What:      one 16-bit bin number per granule of 64 KiB; 0 where there is no slab. The array is address space that
//            reads as zeroes; it becomes writable only where regions are, so a foreign pointer finds 0 and nothing
//            crashes.
// Callers:   Heap::free (hot); Bin writes it as slabs come and go.
// Threads:   find() from any thread without a lock. Writers own the slab's extent.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/size_class.h"
#include "platform/backing.h"

namespace fastmem::core {

// A bin's number: node index * kMaxClasses + class. 0 is no bin, and so is every multiple of kMaxClasses.
using BinId = Id<struct BinTag, std::uint16_t>;
inline constexpr BinId kNoBin{0};

class PageMap {
 public:
  PageMap() = default;
  PageMap(AddressRange window, void* table)
      : begin_(window.begin), granules_(window.size().rep / kGranule), bins_(static_cast<Entry*>(table) + kShift) {}

  bool operator==(const PageMap&) const = default;

  static Bytes table_size(AddressRange window) {
    return Bytes{(window.size().rep / kGranule + kShift) * sizeof(Entry)};
  }

  // In words of a slot's caches.
  [[gnu::always_inline]] unsigned words(const void* p) const {
    const std::size_t g = granule_of(p);
    if (g >= granules_) [[unlikely]]
      return 0;
    // relaxed: whoever passed the pointer on also passed on what set() stored before the object was handed out
    return bins_[g].load(std::memory_order_relaxed);
  }
  // Whether the entry is exactly that bin's: find() does not look at all of its bits.
  bool says(const void* p, BinId bin) const { return words(p) == bin.rep * kWordsPerBin; }
  BinId find(const void* p) const { return BinId{static_cast<std::uint16_t>(words(p) / kWordsPerBin)}; }

  void set(std::size_t first, std::size_t granules, BinId bin) {
    const auto entry = static_cast<std::uint16_t>(bin.rep * kWordsPerBin);
    for (std::size_t g = first; g < first + granules; ++g) bins_[g].store(entry, std::memory_order_relaxed);
  }

  // Beyond granules() for an address outside the window.
  [[gnu::always_inline]] std::size_t granule_of(const void* p) const {
    return (reinterpret_cast<std::uintptr_t>(p) - begin_) / kGranule;
  }
  std::byte* address_of(std::size_t g) const { return reinterpret_cast<std::byte*>(begin_ + g * kGranule); }
  std::size_t granules() const { return granules_; }
  void* entries(std::size_t first) { return bins_ + first; }

 private:
  static constexpr unsigned kWordsPerBin = SizeTable::kWordsPerClass;
  using Entry = std::atomic<std::uint16_t>;
  // An object at the start of a page and an entry at the start of another look alike to the processor, which then holds
  // the entry's load back behind the object's store. The first granules are the busiest: they begin elsewhere.
  static constexpr std::size_t kShift = 740;

  std::uintptr_t begin_ = 0;
  std::size_t granules_ = 0;
  Entry* bins_ = nullptr;
};

}  // namespace fastmem::core
