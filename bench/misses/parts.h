// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/parts.h -- Q: how long does a bin hold its lock? The parts below Heap, over addresses without memory:
// Bin and PageHeap never touch the objects.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#include "bench/scenario.h"
#include "core/bin.h"
#include "platform/address_space.h"

namespace bench {

namespace core = fastmem::core;
using fastmem::Bytes;

// Reserved address space that counts for nothing, given back at the end.
class AddressSpace {
 public:
  AddressSpace(Bytes size, bool writable) : size_(size), base_(fastmem::reserve_readable(size)) {
    if (base_ == nullptr || (writable && !fastmem::make_writable(base_, size))) die("no address space");
  }
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;
  ~AddressSpace() { fastmem::unreserve(base_, size_); }
  void* get() const { return base_; }

 private:
  Bytes size_;
  void* base_;
};

// One bin over one region of so many granules.
class Parts {
 public:
  Parts(std::size_t object_size, std::uint32_t granules)
      : class_(core::kFineClasses[core::class_of(core::Profile::kFine, object_size)]),
        window_{kNowhere, kNowhere + granules * core::kGranule},
        books_(kBooks, false),
        map_table_(core::PageMap::table_size(window_), true),
        extent_table_(core::ExtentTable::table_size(window_), true),
        arena_(books_.get(), kBooks),
        map_(window_, map_table_.get()),
        extents_(extent_table_.get()),
        pages_(&map_, &extents_, &account_, fastmem::kUnlimited),
        bin_(core::BinId{1}, &class_, {&map_, &extents_, &arena_, &budget_, &hardener_}, &pages_) {
    for (core::ExtentIndex g = 0; g < granules; ++g) extents_[g].region = 1;
    pages_.add_region(0, granules, {}, true);
  }

  core::Bin& bin() { return bin_; }
  core::PageHeap& pages() { return pages_; }
  const core::SizeClass& size_class() const { return class_; }

  core::Magazine* magazine() {
    core::Magazine* const m = bin_.take_magazine();
    if (m == nullptr) die("no magazine");
    return m;
  }
  // As use does it: the depot runs empty and over in turn, until it is as wide as it gets. It is empty then.
  void widen_depot() {
    core::Strays strays;
    for (std::size_t bound = 1; bound <= class_.depot; bound *= 2) {
      empty_depot(strays);
      for (std::size_t i = 0; i <= 2 * bound; ++i) {
        core::Magazine* const m = magazine();
        fill(m);
        bin_.give_magazine(m, strays);
      }
    }
    empty_depot(strays);
  }
  void fill(core::Magazine* m) {
    m->count = bin_.refill(m->objects(), m->capacity);
    if (m->count != m->capacity) die("no objects for a magazine");
  }

 private:
  void empty_depot(core::Strays& strays) {
    core::Magazine* m = magazine();
    while (core::Magazine* const full = bin_.exchange_empty_for_any(m, strays)) {
      bin_.drain(full->objects(), full->count, strays);
      full->count = 0;
      m = full;
    }
    bin_.give_magazine(m, strays);
  }

  static constexpr std::uintptr_t kNowhere = std::uintptr_t{1} << 44;
  static constexpr Bytes kBooks = fastmem::kMiB * 64;

  core::SizeClass class_;
  fastmem::AddressRange window_;
  AddressSpace books_;
  AddressSpace map_table_;
  AddressSpace extent_table_;
  core::Arena arena_;
  core::PageMap map_;
  core::ExtentTable extents_;
  core::Account account_;
  core::PageHeap pages_;
  core::CacheBudget budget_{fastmem::kUnlimited};
  core::Hardener hardener_{core::Hardening{}};
  core::Bin bin_;
};

}  // namespace bench
