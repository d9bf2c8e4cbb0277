// SPDX-License-Identifier: BSD-3-Clause
// core/trace_cache.h -- floor 2 (core). The number of the calling thread's stack trace, in less time than a walk takes.
// What:      a table of the walks that were made before: which words they read, how far from the stack pointer, and the
//            trace they came to. A walk is determined by what it reads: where the same words lie at the same distances,
//            it would come to the same trace, and that is looked at in any order, not one word after another.
// Invariant: an entry whose version is even is whole, and was walked in the generation of rules that it names.
// Callers:   a checked heap, at each alloc and free.
// Locks:     none; an entry that is being written is not used, and not waited for. In a child of fork it may stay so.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/trace_depot.h"
#include "platform/cpu.h"
#include "platform/stack_walk.h"
#include "platform/types.h"

namespace fastmem::core {

class TraceCache {
  struct Entry;

 public:
  static constexpr Bytes table_size();

  // table_size() bytes of zeroed memory, aligned to a cache line.
  TraceCache(void* table, TraceDepot* depot) : table_(static_cast<Entry*>(table)), depot_(depot) {}

  // The trace that begins where the function was called whose __builtin_frame_address(0) this is, but for the first
  // `skip` frames. kNoTrace: the depot is full, or nobody called so deep. Called by that very function; may run in a
  // signal handler.
  [[gnu::noinline]] TraceId here(const void* frame, unsigned skip = 0);

 private:
  static constexpr unsigned kEntries = 512;
  static constexpr unsigned kMostWords = 2 * (kMostTraceFrames - 2);
  struct Walked;

  // The words that the walk read after its second return address: first the other return addresses, then frame pointers,
  // of which counts how far from the stack pointer they lead.
  struct alignas(kCacheLine) Entry {
    std::atomic<std::uint32_t> version;  // odd: being written
    std::atomic<TraceId> id;
    std::atomic<std::uint32_t> generation;
    std::atomic<std::uint16_t> span;  // words above the stack pointer that are looked at
    std::atomic<std::uint8_t> addresses;
    std::atomic<std::uint8_t> pointers;
    std::atomic<std::uintptr_t> first;  // the first two return addresses
    std::atomic<std::uintptr_t> second;
    std::atomic<std::uintptr_t> fp;  // of the second frame, from the stack pointer; kAnyFp: nobody asked
    std::atomic<std::uint16_t> at[kMostWords];
    std::atomic<std::uintptr_t> word[kMostWords];
  };
  static constexpr std::uintptr_t kAnyFp = 1;  // no distance: frame pointers are aligned

  static bool leads_again(const Entry& entry, std::uintptr_t first, StackWalk walk);
  TraceId walk_slow(Entry& entry, std::uintptr_t first, StackWalk walk);
  static void keep(Entry& entry, TraceId id, const Walked& walked);

  Entry* table_;
  TraceDepot* depot_;
};

constexpr Bytes TraceCache::table_size() { return Bytes{kEntries * sizeof(Entry)}; }

static_assert(Shareable<TraceCache>);

}  // namespace fastmem::core
