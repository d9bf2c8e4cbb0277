// SPDX-License-Identifier: BSD-3-Clause
// core/slot.h -- floor 2 (core). One Slot per thread that uses the heap: its caches, for every bin of every node.
// What:      behind each Cache a loaded and a previous magazine, so that a cache on the edge never thrashes; misses
//            trade whole magazines with the bin. A slot outlives its thread: the next thread with its number goes on
//            with it.
// Invariant: allocs == brought + frees - taken - in the cache now (statistics are derived from it)
// Callers:   Heap's slow functions; thread exit; a thread that ran out of memory (steal_slow).
// Locks:     mutex_ (rank kSlot) keeps the owner's slow path and a thief apart; kBin and below are taken inside it.
#pragma once

#include <bitset>
#include <cstdint>

#include "core/bin.h"
#include "core/cache.h"
#include "core/waiting_room.h"
#include "platform/mutex.h"

namespace fastmem::core {

class CheckWalk;

// Counters of one cache, all since the heap exists.
struct CacheCounts {
  std::uint64_t allocs;
  std::uint64_t frees;
  std::uint64_t alloc_misses;
  std::uint64_t free_misses;
  std::uint64_t nomem;
  std::uint64_t cached;  // objects in it now: no counter, and no reset changes it

  void add(const CacheCounts& o) {
    allocs += o.allocs;
    frees += o.frees;
    alloc_misses += o.alloc_misses;
    free_misses += o.free_misses;
    nomem += o.nomem;
    cached += o.cached;
  }
};

// What a cache's slow path keeps: cold, beside the hot Cache.
struct CacheBook {
  Magazine* loaded;       // the array that the Cache points into; nullptr: none yet
  Magazine* previous;     // full, empty, or nullptr
  std::uint64_t reach;    // objects that the cache deals in at a time: few at first, doubled by each miss. It has room
                          // for twice as many, out of the heap's budget; 0: none
  std::uint64_t brought;  // objects that refills put into the cache
  std::uint64_t taken;    // objects that drains, flushes and thieves took out of it
  std::uint64_t alloc_misses;
  std::uint64_t free_misses;
  std::uint64_t nomem;
  std::uint64_t waiting;     // objects in the slot's waiting room: freed, and counted as cached
  CacheCounts at_reset;      // what counts() was when the statistics were reset
  std::uint64_t moves_seen;  // by shed_idle(), of objects that came in; where neither this nor the top has
  void** top_seen;           // changed, the cache was not used
};

using Classes = std::bitset<kMaxClasses>;  // a set of them

class Slot {
 public:
  Slot(SlotId id, Cache* caches, CacheBook* books) : id_(id), caches_(caches), books_(books) {}

  // The slow twins of pop and push, for the owner (or, of slot 0, for anyone).
  // `claimed`: the owner's claim() on this cache failed and is to be undone. nullptr: the bin has nothing without
  // growing.
  void* pop_slow(Bin& bin, bool claimed, Strays& strays) FM_EXCLUDES(mutex_);
  void push_slow(Bin& bin, void* object, Strays& strays) FM_EXCLUDES(mutex_);
  // A push of what is to wait first. Those whose time has come are pushed instead.
  void push_later_slow(Bin* bins, BinId bin, void* object, Arena& arena, Strays& strays) FM_EXCLUDES(mutex_);

  // Undoes a claim of n that another thread's need got in the way of.
  void unclaim_slow(BinId bin, std::size_t n) FM_EXCLUDES(mutex_);

  void count_nomem(BinId bin, std::uint64_t n) FM_EXCLUDES(mutex_);

  // Everything in the owner's caches back to the bins; magazines too. Returns the objects moved.
  std::size_t flush(Bin* bins, unsigned first, unsigned last, Strays& strays) FM_EXCLUDES(mutex_);

  // The same by another thread while the owner goes on. What the owner is just taking stays with it.
  std::size_t steal_slow(Bin* bins, unsigned first, unsigned last, Strays& strays) FM_EXCLUDES(mutex_);

  // What caches hold that have not been used since the last call goes back, and their room. `own`: the caller is the
  // owner. `most`: objects moved at once, about; the rest stays for the next call.
  void shed_idle(Bin* bins, unsigned first, unsigned last, bool own, std::size_t most, Strays& strays)
      FM_EXCLUDES(mutex_);

  // Since the last reset.
  CacheCounts counts(BinId bin) const FM_EXCLUDES(mutex_);
  void reset_counts(unsigned bins) FM_EXCLUDES(mutex_);

  // Whether there is a magazine in any cache: none after a flush, as when its thread has ended.
  bool holds_caches(unsigned bins) const FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    if (waiting_ != nullptr && waiting_->bytes() != 0) return true;
    for (unsigned b = 0; b < bins; ++b) {
      if (books_[b].loaded != nullptr || books_[b].previous != nullptr) return true;
    }
    return false;
  }

  // core/slot_check.cc
  void check(CheckWalk& walk, SlotId id, const Bin* bins, unsigned count, bool still) const FM_EXCLUDES(mutex_);

  Cache* caches() { return caches_; }
  Mutex& mutex() { return mutex_; }

 private:
  // The slot's side of one bin, looked up once for an operation.
  struct Pair {
    Cache& cache;
    CacheBook& book;
  };
  Pair pair(BinId bin) FM_REQUIRES(mutex_) { return {caches_[bin.rep], books_[bin.rep]}; }
  static void reach_further(const Bin& bin, CacheBook& book);
  static void reach_back(const Bin& bin, CacheBook& book, std::uint64_t to);
  static void fit(Bin& bin, CacheBook& book, Magazine* magazine, Strays& strays);
  static void load(Pair p, Magazine* magazine);
  static Magazine* unload(Pair p);
  bool fill(Bin& bin, Pair p, Strays& strays);
  std::size_t empty_out(Bin& bin, Pair p, Strays& strays);
  std::size_t steal_row(Bin* bins, unsigned row, const Classes& chosen, Strays& strays) FM_REQUIRES(mutex_);
  bool make_space(Bin& bin, Pair p, Strays& strays);
  void put(Bin& bin, Pair p, void* object, Strays& strays);
  std::size_t end_waiting(Bin* bins, unsigned first, unsigned last, Strays& strays) FM_REQUIRES(mutex_);
  std::size_t surrender(Bin& bin, Magazine* magazine, CacheBook& book, Strays& strays);
  static void check_cache(CheckWalk& walk, const Bin& bin, const Cache& cache, const CacheBook& book, bool still);
  static void check_previous(CheckWalk& walk, const Bin& bin, const CacheBook& book);
  CacheCounts since_birth(BinId bin) const FM_REQUIRES(mutex_);

  mutable Mutex mutex_{LockRank::kSlot};
  SlotId id_;
  Cache* caches_;                                         // [nodes * kMaxClasses]
  CacheBook* books_;                                      // the same, guarded by mutex_
  WaitingRoom* waiting_ FM_GUARDED_BY(mutex_) = nullptr;  // of hardened heaps, once something waits
};

static_assert(Shareable<Slot>);

}  // namespace fastmem::core
