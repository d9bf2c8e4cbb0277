// SPDX-License-Identifier: BSD-3-Clause
// core/bin.h -- floor 2 (core). One Bin per (node, class).
// What:      owns the slabs of one class on one node, and a depot of full magazines; trades whole magazines with caches.
// Invariant: free_ == the sum of its slabs' free counts; a slab is in the list that its free count says, or aside
//            -> check()
// Callers:   Heap's slow functions, Slot. Never api/.
// Locks:     mutex_ (rank kBin) guards every mutable field and the descriptors of its slabs; kPageHeap and kArena may be
//            taken inside it.
#pragma once

#include <cstdint>

#include "core/cache_budget.h"
#include "core/hardener.h"
#include "core/magazine.h"
#include "core/page_heap.h"
#include "core/slab.h"
#include "core/strays.h"
#include "platform/mutex.h"

namespace fastmem::core {

class CheckWalk;

// What every bin of a heap works with.
struct BinContext {
  PageMap* map;
  ExtentTable* extents;
  Arena* arena;
  CacheBudget* budget;
  Hardener* hardener;

  bool operator==(const BinContext&) const = default;
};

struct BinCounts {
  std::uint64_t free = 0;   // objects free in slabs
  std::uint64_t depot = 0;  // objects in the depot's magazines
  std::uint64_t slabs = 0;
  std::uint64_t acquires = 0;
  std::uint64_t releases = 0;
  std::uint32_t empty = 0;
  std::uint32_t partial = 0;
  std::uint32_t full = 0;
};

class alignas(kLinePair) Bin {
 public:
  Bin(BinId id, const SizeClass* size_class, BinContext context, PageHeap* pages)
      : id_(id), class_(size_class), context_(context), pages_(pages) {}

  // A full magazine for an empty one, in O(1). nullptr, and the empty one stays the caller's: the depot has none, or
  // only young ones of other slots. Those rest until older than a core's cache, where they would be fetched back from:
  // as long as slabs can serve instead.
  Magazine* exchange_empty(Magazine* empty, SlotId slot, Strays& strays) FM_EXCLUDES(mutex_) {
    return exchange(empty, slot, false, strays);
  }
  // The same when slabs could not: any will do.
  Magazine* exchange_empty_for_any(Magazine* empty, Strays& strays) FM_EXCLUDES(mutex_) {
    return exchange(empty, SlotId{}, true, strays);
  }

  // An empty magazine for a full one. What passes the depot's bound goes back to its slabs.
  Magazine* exchange_full(Magazine* full, Strays& strays) FM_EXCLUDES(mutex_);

  // Objects from slabs into out[0 .. n), those to be popped first at the end. A new slab is made where the page heap
  // has room. Fewer than n: no more can be had without growing.
  std::uint32_t refill(void** out, std::uint32_t n) FM_EXCLUDES(mutex_);

  // One object, past every cache: from a slab, or out of a depot's magazine. nullptr: the bin has nothing.
  void* take_one() FM_EXCLUDES(mutex_);

  // Objects back into their slabs, so many at a time that the lock is held no longer than for the scan of a slab.
  static constexpr std::uint32_t kDrainedAtOnce = 16;
  void drain(void* const* objects, std::uint32_t n, Strays& strays) FM_EXCLUDES(mutex_);

  // Whether this object is one of those that are free in slabs.
  bool has_free(const void* object) const FM_EXCLUDES(mutex_);

  // An empty magazine; nullptr: no memory for it.
  Magazine* take_magazine() FM_EXCLUDES(mutex_);
  // A magazine of its capacity, with objects or without, comes (back).
  void give_magazine(Magazine* m, Strays& strays) FM_EXCLUDES(mutex_);

  // Everything in the depot back to the slabs, then every empty slab to the page heap. True: a slab went.
  bool release_empty(bool with_depot, Strays& strays) FM_EXCLUDES(mutex_);
  // The same where nothing has been traded since the last call. `most`: objects moved at once, about.
  void release_idle(std::uint64_t most, Strays& strays) FM_EXCLUDES(mutex_);

  // Memory that is detached: nothing is taken from its slabs, objects come home to them, and the map does not say so.
  void set_aside(ExtentIndex slab) FM_EXCLUDES(mutex_);
  void resume(ExtentIndex first, std::uint32_t granules) FM_EXCLUDES(mutex_);
  // Of those set aside in that range: the empty ones are slabs no more, and stay set aside.
  void release_aside(ExtentIndex first, std::uint32_t granules, Strays& strays) FM_EXCLUDES(mutex_);
  bool has_aside(ExtentIndex granule) const FM_EXCLUDES(mutex_) {
    const LockGuard guard(mutex_);
    return slab_aside(granule) != kNoExtent;
  }

  BinCounts counts() const FM_EXCLUDES(mutex_);
  const SizeClass& size_class() const { return *class_; }
  // Of a slab's extent, with the granule that guards it.
  std::uint32_t granules() const { return class_->granules + (hardener().options().guard_granules ? 1 : 0); }
  BinId id() const { return id_; }
  CacheBudget& budget() const { return *context_.budget; }
  Hardener& hardener() const { return *context_.hardener; }

  // After Hardener::stop_denying(): no guard of a slab faults.
  void open_guards() FM_EXCLUDES(mutex_);

  // core/bin_check.cc
  bool is_as_made(const Bin& made) const {
    return id_ == made.id_ && class_ == made.class_ && context_ == made.context_ && pages_ == made.pages_;
  }
  void check(CheckWalk& walk) const FM_EXCLUDES(mutex_);
  bool check_magazine(CheckWalk& walk, const Magazine* m, const void* who) const;
  // Objects that are in a slot.
  void check_objects(CheckWalk& walk, void* const* objects, std::size_t n) const FM_EXCLUDES(mutex_);
  Mutex& mutex() { return mutex_; }

 private:
  enum List : std::uint16_t { kEmpty, kPartial, kFull, kAside, kLists };

  Magazine* exchange(Magazine* empty, SlotId slot, bool any, Strays& strays) FM_EXCLUDES(mutex_);
  void drain_locked(void* const* objects, std::uint32_t n, Strays& strays) FM_REQUIRES(mutex_);
  Magazine* keep_locked(Magazine* full) FM_REQUIRES(mutex_);
  void keep_empty_locked(Magazine* m) FM_REQUIRES(mutex_);
  Magazine* pop_oldest_locked() FM_REQUIRES(mutex_);
  Magazine* pop_oldest() FM_EXCLUDES(mutex_);
  void send_home(Magazine* m, Strays& strays) FM_EXCLUDES(mutex_);
  bool unused_since_last_look() FM_EXCLUDES(mutex_);
  void widen_depot_locked() FM_REQUIRES(mutex_);
  void narrow_depot_locked(std::uint32_t bound) FM_REQUIRES(mutex_);
  std::uint32_t empties_to_keep() const FM_REQUIRES(mutex_);
  Magazine* take_magazine_locked() FM_REQUIRES(mutex_);
  ExtentIndex slab_with_room() FM_REQUIRES(mutex_);
  std::uint32_t take_from(ExtentIndex slab, std::uint32_t n, void** out) FM_REQUIRES(mutex_);
  ExtentIndex new_slab() FM_REQUIRES(mutex_);
  void release_slab(ExtentIndex i, Strays& strays) FM_REQUIRES(mutex_);
  std::byte* guard_of(ExtentIndex slab) const { return context_.map->address_of(slab + class_->granules); }
  List list_for(const Extent& e) const { return e.free == 0 ? kFull : e.free == class_->objects ? kEmpty : kPartial; }
  void file(ExtentIndex i) FM_REQUIRES(mutex_);
  void move_to(List wanted, ExtentIndex i) FM_REQUIRES(mutex_);
  ExtentIndex slab_aside(ExtentIndex granule) const FM_REQUIRES(mutex_);
  void check_slabs(CheckWalk& walk) const FM_REQUIRES(mutex_);
  bool check_slab(CheckWalk& walk, ExtentIndex i, List in) const FM_REQUIRES(mutex_);
  void check_bitmap(CheckWalk& walk, const Extent& e) const FM_REQUIRES(mutex_);
  void check_depot(CheckWalk& walk) const FM_REQUIRES(mutex_);
  void check_object(CheckWalk& walk, const void* object) const FM_REQUIRES(mutex_);
  bool is_taken(const CheckWalk& walk, const void* object) const FM_REQUIRES(mutex_);

  // All that an exchange of magazines writes, in one cache line.
  mutable Mutex mutex_{LockRank::kBin};
  MagazineQueue full_ FM_GUARDED_BY(mutex_);
  Magazine* empties_ FM_GUARDED_BY(mutex_) = nullptr;
  std::uint64_t in_depot_ FM_GUARDED_BY(mutex_) = 0;
  std::uint64_t trades_ FM_GUARDED_BY(mutex_) = 0;  // magazines and objects that went either way: has it been used?
  std::uint32_t bound_ FM_GUARDED_BY(mutex_) = 0;   // full magazines that the depot has room for, out of the budget
  bool missed_ FM_GUARDED_BY(mutex_) = false;       // it had none to give since it was last widened
  bool at_bound_ FM_GUARDED_BY(mutex_) = false;     // it cannot be widened any more

  BinId id_;
  const SizeClass* class_;
  BinContext context_;
  PageHeap* pages_;

  ExtentList lists_[kLists] FM_GUARDED_BY(mutex_);
  std::uint32_t sizes_[kLists] FM_GUARDED_BY(mutex_) = {};
  std::uint64_t free_ FM_GUARDED_BY(mutex_) = 0;
  std::uint64_t acquires_ FM_GUARDED_BY(mutex_) = 0;
  std::uint64_t releases_ FM_GUARDED_BY(mutex_) = 0;
  std::uint64_t trades_seen_ FM_GUARDED_BY(mutex_) = 0;  // by release_idle()
};

static_assert(Shareable<Bin>);
static_assert(alignof(Bin) == kLinePair && sizeof(Bin) % kLinePair == 0);  // one's refill slows no neighbour

}  // namespace fastmem::core
