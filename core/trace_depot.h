// SPDX-License-Identifier: BSD-3-Clause
// core/trace_depot.h -- floor 2 (core). Stack traces by number, each kept once, for as long as the depot lives.
// What:      a hash table of chains, and records that are bumped off the rest of one piece of memory. A trace's number
//            says where its record is. When the memory is full, new traces have no number, and are counted.
// Invariant: a record that a chain leads to is whole and never changes.
// Callers:   core/trace_cache.h; whoever prints a trace, in a signal handler too.
// Locks:     none. A fork in the middle of another thread's add() loses one record's room.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "platform/types.h"

namespace fastmem::core {

using TraceId = Id<struct TraceTag, std::uint32_t>;
inline constexpr TraceId kNoTrace{0};

inline constexpr unsigned kMostTraceFrames = 16;
inline constexpr Bytes kTraceMemory = kMiB * 8;  // by default; room for some 70,000 traces

class TraceDepot {
 public:
  // Zeroed memory, aligned to a cache line; only what is used of it is touched. Less than a few KiB holds nothing.
  TraceDepot(void* memory, Bytes size);

  // The number of these at most kMostTraceFrames return addresses, innermost first. kNoTrace: none, or no room.
  TraceId add(std::span<void* const> frames);

  // Valid for as long as the depot. Empty: no such trace.
  std::span<void* const> frames(TraceId id) const;

  std::size_t traces() const { return traces_.load(std::memory_order_relaxed); }
  // How often a new trace found no room.
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  Bytes bytes() const { return Bytes{used_.load(std::memory_order_relaxed)}; }

 private:
  struct Record {
    std::uint32_t next;  // the next of its chain, as a TraceId
    std::uint32_t hash;
    std::uint64_t count;

    void** frames() { return reinterpret_cast<void**>(this + 1); }
  };
  static constexpr std::size_t kUnit = 16;            // records begin at multiples of it
  static constexpr std::size_t kBytesPerChain = 128;  // one chain for each so many bytes, about a record's size

  Record* record(TraceId id) const { return reinterpret_cast<Record*>(memory_ + std::size_t{id.rep} * kUnit); }
  std::atomic<std::uint32_t>& chain(std::uint32_t hash) const;
  TraceId find(TraceId from, TraceId before, std::uint32_t hash, std::span<void* const> frames) const;
  TraceId make(std::uint32_t hash, std::span<void* const> frames);

  std::byte* memory_;
  std::size_t size_;
  std::uint32_t chains_;
  std::atomic<std::size_t> used_;
  std::atomic<std::size_t> traces_{0};  // relaxed, like the next: readers tolerate stale
  std::atomic<std::uint64_t> refused_{0};
};

static_assert(Shareable<TraceDepot>);

}  // namespace fastmem::core
