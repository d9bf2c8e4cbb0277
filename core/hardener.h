// SPDX-License-Identifier: BSD-3-Clause
// core/hardener.h -- floor 2 (core). What a hardened heap keeps: its options, its key, and what is done with them below
// Heap.
// Callers:   Bin and Slot in their slow paths; Heap.
// Threads:   any, without a lock; a magazine and a slab belong to the caller.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/extent.h"
#include "core/hardening.h"
#include "core/magazine.h"
#include "core/random.h"
#include "core/region_table.h"
#include "core/strays.h"

namespace fastmem::core {

class Hardener {
 public:
  // `regions`: where slabs with guards lie.
  explicit Hardener(const Hardening& options, RegionTable* regions = nullptr);

  const Hardening& options() const { return options_; }

  // ---- random order ----

  Random random() { return Random(key_, streams_.fetch_add(1, std::memory_order_relaxed)); }
  void shuffle(void** objects, std::uint32_t n) {
    if (options_.random_order) random().shuffle(objects, n);
  }
  // The child of a fork draws other numbers than its parent.
  void reset_in_child();

  // ---- encoded magazines ----

  // A magazine that goes to the depot, and comes from it. What was written meanwhile is noted and dropped.
  void seal(Magazine& m) const;
  void unseal(Magazine& m, BinId bin, Strays& strays) const;
  // One object, out of its cell. nullptr: the cell was written.
  void* unseal(void* const* cell) const;

  // ---- guard granules ----

  // Of a slab that is being made, the granule at `guard` that is its last: out of reach, or marked at its edges where
  // pages are not small, devices may be told of them, or too many are out of reach already.
  void set_guard(Extent& slab, std::byte* guard);
  // It is memory as any other again. Where it was written: noted. false: the kernel keeps it out of reach.
  bool drop_guard(Extent& slab, std::byte* guard, BinId bin, Strays& strays);
  // Guards are marks from now on; a slab's that is there already becomes one.
  void stop_denying() { denies_.store(false, std::memory_order_relaxed); }
  void open_guard(Extent& slab, std::byte* guard);

 private:
  std::uintptr_t mask(void* const* cell) const;
  std::uintptr_t tag(std::uintptr_t object) const;
  std::uint64_t mark_of(const std::byte* guard) const;
  void mark(std::byte* guard) const;
  bool deny(const Extent& slab, std::byte* guard);

  Hardening options_;
  RegionTable* regions_;
  RandomKey key_{};
  std::uint64_t secret_ = 0;               // of magazines
  std::atomic<std::uint64_t> streams_{0};  // relaxed: each draw is another number
  std::atomic<bool> denies_{true};         // relaxed: read and swept under each bin's lock, see Heap::open_guards()
  std::atomic<unsigned> denied_{0};        // guards out of reach
};

static_assert(Shareable<Hardener>);

}  // namespace fastmem::core
