// SPDX-License-Identifier: BSD-3-Clause
// core/zone_table.h -- floor 2 (core). A heap's named zones: which name is which memory.
// What:      plain data in the arena, an entry for each zone, in chunks as they are needed. A name is claimed before its
//            memory is asked for, so of two that reserve it one has it; it is found once the memory is there.
// Callers:   Heap, with none of its locks held.
// Locks:     mutex_ (rank kZones) guards everything; kArena may be taken inside it.
#pragma once

#include <cstdint>

#include "core/arena.h"
#include "platform/mutex.h"
#include "platform/result.h"

namespace fastmem::core {

class CheckWalk;

inline constexpr unsigned kMostZones = 4096;
inline constexpr unsigned kLongestZoneName = 31;  // characters

struct Zone {
  char name[kLongestZoneName + 1] = {};
  void* base = nullptr;
  Bytes size;       // asked, or, of the largest free memory, had
  Bytes page_size;  // of the memory it lies in
  Iova iova;        // of a contiguous one; else kBadIova: ask for each part
  NodeId node;
  std::uint16_t unused = 0;
  std::uint32_t flags = 0;
};

static_assert(Shareable<Zone>);

class ZoneTable {
 public:
  explicit ZoneTable(Arena* arena) : arena_(arena) {}

  // kInvalid: no name, or too long; kExists; kNoSpace: kMostZones are there, or no memory for another's entry.
  Error claim(const char* name, unsigned& number) FM_EXCLUDES(mutex_);
  void publish(unsigned number, const Zone& zone) FM_EXCLUDES(mutex_);
  void forget(unsigned number) FM_EXCLUDES(mutex_);

  // kNotFound; false: none.
  Error find(const char* name, Zone& out) const FM_EXCLUDES(mutex_);
  Error take_out(const char* name, Zone& out) FM_EXCLUDES(mutex_);
  bool at(unsigned number, Zone& out) const FM_EXCLUDES(mutex_);
  unsigned end() const FM_EXCLUDES(mutex_);  // numbers are below it

  void check(CheckWalk& walk) const FM_EXCLUDES(mutex_);  // core/zone_table_check.cc

  // Of threads that a child of fork has not.
  void forget_claims() FM_EXCLUDES(mutex_);

  Mutex& mutex() { return mutex_; }

 private:
  static constexpr unsigned kChunk = 64;
  enum class Use : std::uint8_t { kFree, kClaimed, kZone };
  struct Entry {
    Zone zone;
    Use use;
  };

  Entry& entry(unsigned number) const FM_REQUIRES(mutex_) { return chunks_[number / kChunk][number % kChunk]; }
  int number_of(const char* name) const FM_REQUIRES(mutex_);  // claimed or there; -1: neither
  int found(const char* name) const FM_REQUIRES(mutex_);

  mutable Mutex mutex_{LockRank::kZones};
  Arena* arena_;
  Entry* chunks_[kMostZones / kChunk] FM_GUARDED_BY(mutex_) = {};
  unsigned end_ FM_GUARDED_BY(mutex_) = 0;
};

static_assert(Shareable<ZoneTable>);

}  // namespace fastmem::core
