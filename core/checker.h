// SPDX-License-Identifier: BSD-3-Clause
// core/checker.h -- floor 2 (core). What a checked heap has besides: records, the places where objects lie in their cells,
// quarantines.
//
//   cell of a class   | ... front guard | object: the bytes asked | back guard ... |
//   of large objects  whole granules, the object at the start of one; pages beside it that fault, where pages are small
//
// Callers:   Heap's checked twins (core/heap_checked.cc, heap_guarded.cc, heap_examine.cc).
// Locks:     mutex_ (rank kRecords): one thread at a time makes a slab's records, or a slot's quarantine.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <limits>
#include <span>

#include "core/arena.h"
#include "core/checks.h"
#include "core/extent.h"
#include "core/guard_bytes.h"
#include "core/object_record.h"
#include "core/quarantine.h"
#include "core/size_class.h"
#include "core/trace_cache.h"
#include "core/trace_depot.h"
#include "platform/thread_slot.h"

namespace fastmem::core {

// What a free says of its object, beside the address.
struct Claim {
  enum class Of : std::uint8_t { kNothing, kSize, kHandle };
  Of of = Of::kNothing;
  std::size_t size = 0;  // of a handle: its class
  std::size_t index = 0;
  std::size_t count = 0;  // in a bulk of so many; 0: alone
};

// An object's cell and its record, found by an address in it.
struct FoundObject {
  ObjectRecord* record = nullptr;  // nullptr: none of a checked object
  std::byte* cell = nullptr;
  std::size_t cell_size = 0;
  BinId bin = kNoBin;  // kNoBin: a large object
  ExtentIndex extent = kNoExtent;

  std::byte* object(ObjectWord word) const { return cell + word.front(); }
};

// Where an object lies in its cell.
struct CellPlan {
  std::size_t front;  // a power of two, a multiple of the alignment
  std::size_t total;  // bytes of the cell at least
};

class Checker {
 public:
  Checker(const CheckOptions& options, Arena* arena);

  static constexpr std::size_t kLeastFront = guard::kFront;

  // `align`: at least the heap's default. An object of a power of two of bytes is aligned to its size.
  static CellPlan plan(std::size_t size, std::size_t align) {
    const std::size_t natural = is_power_of_two(size) && size <= kMaxSize ? size : 1;
    const std::size_t front = align > natural ? align : natural;
    const std::size_t least = front > kLeastFront ? front : kLeastFront;
    return {least, round_up(least + size + guard::kBack, least)};
  }

  // ---- records ----

  // Of a slab whose first granule's descriptor this is. nullptr: no memory for them.
  [[gnu::always_inline]] ObjectRecord* records(Extent& head, const SizeClass& c) {
    const std::uint32_t piece = head.records.load(std::memory_order_acquire);
    return piece != 0 ? static_cast<ObjectRecord*>(arena_->piece(piece)) : open_records(head, c);
  }
  // nullptr: there are none.
  ObjectRecord* records(const Extent& head) const {
    const std::uint32_t piece = head.records.load(std::memory_order_acquire);
    return piece != 0 ? static_cast<ObjectRecord*>(arena_->piece(piece)) : nullptr;
  }
  static Bytes records_bytes(const SizeClass& c) { return Bytes{c.objects * sizeof(ObjectRecord)}; }
  // Of a large object.
  ObjectRecord* open_record(Extent& head);

  // ---- guards ----

  static void set_guards(std::byte* object, std::size_t size, const std::byte* cell_end) {
    guard::fill(object - guard::kFront, guard::kFront, guard::kGuardByte);
    guard::fill(object + size, behind(object, size, cell_end), guard::kGuardByte);
  }
  [[gnu::always_inline]] static bool guards_are_intact(const std::byte* object, std::size_t size,
                                                       const std::byte* cell_end) {
    return guard::is_intact(object - guard::kFront, guard::kFront, guard::kGuardByte) &&
           guard::is_intact(object + size, behind(object, size, cell_end), guard::kGuardByte);
  }
  // Where the last byte before the object, or the first one behind it, was written; from the object's start. kIntact:
  // nowhere. Slower than the above, and other threads may be writing.
  static constexpr std::ptrdiff_t kIntact = std::numeric_limits<std::ptrdiff_t>::min();
  static std::ptrdiff_t guard_damage(const std::byte* object, std::size_t size, const std::byte* cell_end);
  // How many bytes behind the object are looked at.
  [[gnu::always_inline]] static std::size_t behind(const std::byte* object, std::size_t size,
                                                   const std::byte* cell_end) {
    const auto left = static_cast<std::size_t>(cell_end - object) - size;
    return left < guard::kBackMost ? left : guard::kBackMost;
  }

  // ---- quarantines ----

  // nullptr: no memory for it.
  Quarantine* quarantine(SlotId slot) {
    Quarantine* const q = quarantines_[slot.rep].load(std::memory_order_acquire);
    return q != nullptr ? q : open_quarantine(slot);
  }
  Quarantine* existing_quarantine(unsigned slot) const { return quarantines_[slot].load(std::memory_order_acquire); }
  Quarantine& large() { return large_; }

  // Whether what is left was told before: true from the second call on.
  bool was_reported() { return reported_.exchange(true, std::memory_order_relaxed); }

  // ---- traces ----

  // Where the function was called whose frame this is; called by that very function. kNoTrace: none are taken.
  [[gnu::always_inline]] TraceId trace(const void* frame) { return takes_traces_ ? cache_.here(frame) : kNoTrace; }
  bool takes_traces() const { return takes_traces_; }
  std::span<void* const> frames(TraceId trace) const {
    return takes_traces_ && trace != kNoTrace ? depot_.frames(trace) : std::span<void* const>{};
  }

  void check(CheckWalk& walk) const;  // core/checker_check.cc

  const CheckOptions& options() const { return options_; }
  Mutex& mutex() { return mutex_; }
  // lock(mutex) of each of its own, outermost first: for fork.
  template <class Visit>
  void each_mutex(Visit visit) {
    visit(mutex_);
    for (unsigned s = 0; s < kMaxSlots; ++s) {
      if (Quarantine* const q = existing_quarantine(s)) visit(q->mutex());
    }
    visit(large_.mutex());
  }

 private:
  [[gnu::cold]] ObjectRecord* open_records(Extent& head, const SizeClass& c) FM_EXCLUDES(mutex_);
  [[gnu::cold]] Quarantine* open_quarantine(SlotId slot) FM_EXCLUDES(mutex_);

  CheckOptions options_;
  Arena* arena_;
  Mutex mutex_{LockRank::kRecords};
  RestingBudget budget_;
  Quarantine large_;
  bool takes_traces_;
  TraceDepot depot_;
  TraceCache cache_;
  std::atomic<bool> reported_{false};
  std::atomic<Quarantine*> quarantines_[kMaxSlots] = {};  // release: publishes it; pairs with quarantine()
};

static_assert(Shareable<Checker>);

}  // namespace fastmem::core
