// SPDX-License-Identifier: BSD-3-Clause
// core/region_table.h -- floor 2 (core). A heap's regions by number, and the device addresses of their pages.
// What:      an IOVA is found in O(1): the granule's descriptor names the region; a region that is one run in IOVA
//            space has one base, any other a table with an entry for each backing page. Asked of the backing on
//            first need.
// Callers:   Heap: growth adds, trim removes, virt_to_iova reads.
// Locks:     mutex_ (rank kRegionTable) guards adding, removing and the first question; reading takes none: a caller
//            that asks about memory it owns keeps the region in place.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "core/arena.h"
#include "platform/backing.h"
#include "platform/mutex.h"

namespace fastmem::core {

class CheckWalk;

using RegionNumber = std::uint16_t;
inline constexpr RegionNumber kNoRegion{0};

enum class IovaState : std::uint8_t { kUnknown, kOneRun, kTable, kUnavailable };

enum class Owner : std::uint8_t {
  kBacking,  // it came from the backing, and goes back there
  kCaller,   // the user brought it, and takes it away
  kAside,    // the same, and nothing is allocated from it now
};

// How devices see memory that its user brought.
struct BroughtIovas {
  std::span<const Iova> pages;     // one for each page
  bool same_as_addresses = false;  // without pages: an IOVA is the address
};

struct RegionInfo {
  Region region;
  unsigned node;  // index among the heap's nodes
  unsigned page_shift;
  std::uint32_t unit;         // granules that its pages come and go by; 0: only all of them
  std::atomic<bool> pinned;   // relaxed: its pages stay, for their addresses were told and they are small
  std::atomic<bool> present;  // release: publishes region, node and page_shift; pairs with Heap::release_free_regions()
  std::atomic<IovaState> iova;  // release: publishes run and table; pairs with RegionTable::iova_of()
  Iova run;                     // kOneRun: of the first byte
  Iova* table;                  // of each page: kTable, or pages_of() was asked
  std::atomic<Owner> owner;     // writer: under Heap::admin_. relaxed: a hint for who does not hold it
};

class RegionTable {
 public:
  explicit RegionTable(Arena* arena) : arena_(arena) {}

  // `unit`: as RegionInfo has it. `brought`: by the heap's user, with the IOVAs that are known; nullptr: it is the
  // backing's. kNoRegion: no memory for the entry or its IOVAs, or 65,535 are in use.
  RegionNumber add(const Region& region, unsigned node, std::uint32_t unit = 0, const BroughtIovas* brought = nullptr)
      FM_EXCLUDES(mutex_);
  void remove(RegionNumber number) FM_EXCLUDES(mutex_);

  RegionInfo& operator[](RegionNumber number) { return chunks_[number / kChunk][number % kChunk]; }
  RegionNumber highest() const { return highest_.load(std::memory_order_acquire); }

  // The IOVA of a byte of the region; kBadIova and an error when there is none.
  Iova iova_of(RegionNumber number, const void* p, Backing& backing, Error& error) FM_EXCLUDES(mutex_);
  // Whether the region's addresses were told: then its pages keep them, or renew() is called.
  bool is_known(RegionNumber number) {
    const IovaState state = (*this)[number].iova.load(std::memory_order_acquire);
    return state == IovaState::kOneRun || state == IovaState::kTable;
  }
  // Part of the region has other pages than before; nobody has any of it yet.
  Error renew(RegionNumber number, Bytes offset, Bytes size, Backing& backing) FM_EXCLUDES(mutex_);
  // One IOVA for each page, which stay until the region goes; for the one caller at a time that tells listeners.
  Result<std::span<const Iova>> pages_of(RegionNumber number, Backing& backing) FM_EXCLUDES(mutex_);
  bool is_one_run(RegionNumber number) {
    return (*this)[number].iova.load(std::memory_order_acquire) == IovaState::kOneRun;
  }

  bool all_inherited_by_fork();
  bool check(CheckWalk& walk, unsigned nodes) const;  // core/region_table_check.cc
  Mutex& mutex() { return mutex_; }

 private:
  static constexpr unsigned kChunk = 256;

  static bool check_region(CheckWalk& walk, const RegionInfo& info, unsigned nodes);
  Error ask(RegionInfo& info, Backing& backing) FM_EXCLUDES(mutex_);
  bool know(RegionInfo& info, const BroughtIovas& brought) FM_REQUIRES(mutex_);

  Mutex mutex_{LockRank::kRegionTable};
  Arena* arena_;
  std::atomic<RegionNumber> highest_{0};  // release: publishes the entries up to it; pairs with highest()
  RegionInfo* chunks_[65536 / kChunk] = {};
};

static_assert(Shareable<RegionTable>);

}  // namespace fastmem::core
