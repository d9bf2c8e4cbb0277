// SPDX-License-Identifier: BSD-3-Clause
// tests/core/workbench.h: the parts below Heap over a window of addresses with no memory behind it: what a part of core
// touches there, it crashes on.
#pragma once

#include <cstdio>
#include <memory>
#include <vector>

#include "core/bin.h"
#include "core/check_walk.h"
#include "core/slot.h"
#include "platform/address_space.h"
#include "platform/check.h"

namespace fastmem::core {

// A piece of zeroed, writable memory.
class Memory {
 public:
  explicit Memory(Bytes size, bool writable = true)
      : size_(round_up(size, kSmallPage)), base_(reserve_readable(size_)) {
    FM_CHECK(base_ != nullptr && (!writable || make_writable(base_, size_)));
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { unreserve(base_, size_); }

  void* get() const { return base_; }
  Bytes size() const { return size_; }

 private:
  Bytes size_;
  void* base_;
};

inline constexpr std::uintptr_t kNowhere = std::uintptr_t{1} << (sizeof(void*) == 8 ? 44 : 30);

struct Workbench {
  explicit Workbench(std::size_t granules, Bytes limit = kUnlimited, Bytes arena_size = kMiB * 32,
                     Bytes cache_budget = kUnlimited, const Hardening& hardening = {})
      : window{kNowhere, kNowhere + granules * kGranule},
        books(arena_size, false),
        map_table(PageMap::table_size(window)),
        extent_table(ExtentTable::table_size(window)),
        arena(books.get(), books.size()),
        map(window, map_table.get()),
        extents(extent_table.get()),
        pages(&map, &extents, &account, limit),
        budget(cache_budget),
        hardener(hardening) {}

  // A region of so many granules, at this granule of the window.
  void add_region(ExtentIndex first, std::uint32_t granules, Bytes region_books = {}, bool clean = false) {
    ++regions;
    for (ExtentIndex g = first; g < first + granules; ++g) extents[g].region = regions;
    pages.add_region(first, granules, region_books, clean);
  }

  BinContext context() { return {&map, &extents, &arena, &budget, &hardener}; }
  // Stops the program where a part's books are wrong.
  template <class Part>
  void check(const Part& part) const {
    CheckReport report;
    const auto begin = reinterpret_cast<std::uintptr_t>(books.get());
    CheckWalk walk(report, map, extents, {begin, begin + books.size().rep}, nullptr);
    part.check(walk);
    for (unsigned i = 0; i < report.told; ++i) std::fprintf(stderr, "%s\n", report.first[i].what);
    FM_CHECK(report.ok() && report.busy == 0);
  }
  // What the arena has left goes to nobody else.
  void use_up_arena() {
    for (std::size_t piece = kMiB.rep; piece >= kCacheLine; piece /= 2) {
      while (arena.make(Bytes{piece}) != nullptr) {
      }
    }
  }
  void* at(std::size_t offset) const { return reinterpret_cast<void*>(kNowhere + offset); }

  AddressRange window;
  Memory books;
  Memory map_table;
  Memory extent_table;
  Arena arena;
  PageMap map;
  ExtentTable extents;
  Account account;
  PageHeap pages;
  CacheBudget budget;
  Hardener hardener;
  std::uint16_t regions = 0;
};

// A slot with caches for one node.
struct WorkbenchSlot {
  WorkbenchSlot() : caches(kMaxClasses), books(kMaxClasses), slot(SlotId{1}, caches.data(), books.data()) {}
  std::vector<Cache> caches;
  std::vector<CacheBook> books;
  Slot slot;
};

// All bins of one node.
struct WorkbenchBins {
  explicit WorkbenchBins(Workbench& bench, Profile profile = Profile::kFine) {
    bins = static_cast<Bin*>(bench.arena.make(Bytes{sizeof(Bin) * kMaxClasses}, alignof(Bin)));
    FM_CHECK(bins != nullptr);
    for (unsigned c = 0; c < kMaxClasses; ++c) {
      ::new (&bins[c])
          Bin(BinId{static_cast<std::uint16_t>(c)}, &size_classes(profile).classes[c], bench.context(), &bench.pages);
    }
  }
  Bin& of(std::size_t size, Profile profile = Profile::kFine) { return bins[class_of(profile, size).rep]; }
  Bin* bins;
};

}  // namespace fastmem::core
