// SPDX-License-Identifier: BSD-3-Clause
// core/object_record.h -- floor 2 (core). What a checked heap knows of one object, apart from the object.
// What:      one record for each cell of a slab, and one for each large object. `word` says what the object is; it
//            changes hands with it: whoever takes it from live to resting has freed it.
// Threads:   the object's owner writes; others look at any time, and look again where it matters.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/trace_depot.h"
#include "platform/types.h"

namespace fastmem::core {

enum class ObjectState : std::uint8_t {
  kNone,     // not handed out: new, or back in its slab
  kLive,     // its user's
  kResting,  // freed, and looked at when its rest ends
  kLost,     // damaged: out of use for good
};

// The packed form of what never changes while an object lives.
struct ObjectWord {
  std::uint64_t rep = 0;

  static constexpr unsigned kNoFront = 63;  // the object begins where its cell does
  static constexpr unsigned kSizeBits = 46;

  static ObjectWord of(ObjectState state, std::size_t size, unsigned front_shift, SlotId slot) {
    return {static_cast<std::uint64_t>(state) | std::uint64_t{front_shift} << 2 | std::uint64_t{size} << 8 |
            std::uint64_t{slot.rep} << (8 + kSizeBits)};
  }
  ObjectState state() const { return static_cast<ObjectState>(rep & 3); }
  std::size_t size() const { return static_cast<std::size_t>(rep >> 8 & ((std::uint64_t{1} << kSizeBits) - 1)); }
  // Bytes between the start of the cell and that of the object.
  std::size_t front() const {
    const unsigned shift = static_cast<unsigned>(rep >> 2) & 63;
    return shift == kNoFront ? 0 : std::size_t{1} << shift;
  }
  SlotId slot() const { return SlotId{static_cast<std::uint16_t>(rep >> (8 + kSizeBits))}; }
  ObjectWord in(ObjectState state) const { return {(rep & ~std::uint64_t{3}) | static_cast<std::uint64_t>(state)}; }
};

struct ObjectRecord {
  std::atomic<std::uint64_t> word;  // an ObjectWord. release: publishes the rest; pairs with load()
  // release: publishes what the depot has under the number; pairs with who reports
  std::atomic<TraceId> alloc_trace;
  std::atomic<TraceId> free_trace;
  // relaxed, both: read with the word, before and after
  std::atomic<std::uint64_t> born;  // ns, and in the low bits who freed it
  std::atomic<std::uint64_t> died;  // ns; while it lives: how often a device has it (pins)

  static constexpr std::uint64_t kSlotMask = (1u << 10) - 1;

  ObjectWord load() const { return {word.load(std::memory_order_acquire)}; }
  void store(ObjectWord w) { word.store(w.rep, std::memory_order_release); }
  bool change(ObjectWord from, ObjectWord to) {
    return word.compare_exchange_strong(from.rep, to.rep, std::memory_order_acq_rel, std::memory_order_relaxed);
  }

  void set_born(std::uint64_t ns) { born.store(ns & ~kSlotMask, std::memory_order_relaxed); }
  void set_died(std::uint64_t ns, SlotId by) {
    born.store(born.load(std::memory_order_relaxed) | by.rep, std::memory_order_relaxed);
    died.store(ns, std::memory_order_relaxed);
  }
  std::uint64_t born_at() const { return born.load(std::memory_order_relaxed) & ~kSlotMask; }
  SlotId freed_by() const {
    return SlotId{static_cast<std::uint16_t>(born.load(std::memory_order_relaxed) & kSlotMask)};
  }
  std::uint64_t pins() const { return died.load(std::memory_order_relaxed); }
};

static_assert(Shareable<ObjectRecord> && sizeof(ObjectRecord) == 32);

}  // namespace fastmem::core
