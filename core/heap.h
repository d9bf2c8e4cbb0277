// SPDX-License-Identifier: BSD-3-Clause
// core/heap.h -- floor 2 (core). The allocator. To read it, begin here.
//
//   alloc ── claim ── object                             a load, a store, a compare: no lock, no atomic instruction
//     └─ alloc_slow ── Slot::pop_slow ── Bin::exchange_empty      a magazine from the depot, under the bin's lock
//          │                          └─ Bin::refill ── PageHeap::take          objects from a slab; a new slab
//          └─ make_room_slow ── grow_slow ── Backing::restore, reserve          pages that had gone, a new region
//                            └─ reclaim_slow ── Slot::steal_slow                what other threads hoard, before ENOMEM
//          └─ tend_slow ── Slot::shed_idle, Bin::release_idle                   now and then: what nobody uses goes back
//          └─ large_slow ── PageHeap::take_large                                above the largest class: an extent
//   free ── PageMap::find ── push
//     └─ free_slow ── Slot::push_slow ── Bin::exchange_full ── drain            the depot's overflow, back to slabs
//
// Threads:   every function from any thread, unless it says otherwise. No function from a signal handler.
// Errors:    nullptr or an ErrorCode; last_error() has the sentence.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/bulk.h"
#include "core/caller_memory.h"
#include "core/check_report.h"
#include "core/checker.h"
#include "core/checks.h"
#include "core/hardening.h"
#include "core/heap_state.h"
#include "core/listener_list.h"
#include "core/maintain.h"
#include "core/named_heaps.h"
#include "core/report.h"
#include "core/request.h"
#include "core/stats.h"
#include "core/trace_totals.h"
#include "platform/clock.h"
#include "platform/last_error.h"

namespace fastmem::core {

struct HeapConfig {
  Backing* backing = nullptr;
  bool owns_backing = false;
  const Topology* topology = nullptr;
  Profile profile = Profile::kFine;
  std::size_t default_align = 16;  // when 0 is asked: a power of two, 16 .. 4096
  Bytes region_size = kMiB * 128;  // the largest; growth on demand takes a quarter of what the node holds ...
  Bytes first_region = kMiB * 4;   // ... and at least this
  Bytes reserve_step = {};         // most that reserve() asks for at once; 0: region_size
  Bytes limit_per_node = kUnlimited;
  Misuse misuse = Misuse::kReport;
  bool finds_named = false;  // free, realloc and questions about an address are passed on to the heap with a name
                             // that the address is in (core/named_heaps.h)
  Bytes cache_budget = kMiB * 128;  // most room that caches and depots have for free objects; 0: none has any
  Bytes largest_object = kUnlimited;
  std::uint32_t decay_ms = 0;  // set_decay()
  PressureConfig pressure = {};
  CheckOptions checks = {};
  Hardening hardening = {};
};

// A class on a node, resolved once.
using Handle = BinId;

// A run of device addresses.
struct IovaSegment {
  Iova iova;
  Bytes size;
};

using TotalsVisitor = void (*)(TraceTotals& totals, void* context);

class FASTMEM_EXPORT alignas(kLinePair) Heap {
 public:
  // The topology outlives the heap, and so does the backing unless the heap owns it (it then goes with the heap, also
  // when none comes to be).
  static Result<Heap*> create(const HeapConfig& config);
  // No other thread may use the heap any more. Live objects go too. Refused in a callback: the heap stays.
  void destroy();

  // Stands where a heap will be: it has nothing and refuses everything with kNotReady, so that the hot path of a heap
  // that comes on first use has no check for it.
  static Heap absent;
  bool is_absent() const { return state_ == nullptr; }

  // ---- objects ----------------------------------------------------------------------------------------------------

  [[gnu::always_inline]] void* alloc(std::size_t size) {
    return alloc_or(size, [](Heap& heap, std::size_t s) { return heap.alloc_slow(s); });
  }

  [[gnu::always_inline]] ErrorCode free(void* p) {
    return free_or(p, [](Heap& heap, void* q) { return heap.free_slow(q); });
  }

  // The same for faces that end a slow call in their own way (errno): `slow` must come to alloc_slow() or free_slow().
  template <class Slow>
  [[gnu::always_inline]] void* alloc_or(std::size_t size, Slow slow) {
    Cache& cache = cache_at(view().local, sizes_.words(size));
    void** const cell = cache.claim();
    if (!cache.holds(cell)) [[unlikely]]
      return slow(*this, size);
    return Cache::object_at(cell);
  }
  template <class Slow>
  [[gnu::always_inline]] auto free_or(void* p, Slow slow) -> decltype(slow(*this, p)) {
    if (!cache_at(view().all, map_.words(p)).push(p)) [[unlikely]]
      return slow(*this, p);
    return {};
  }
  [[gnu::cold]] void* alloc_slow(std::size_t size);
  [[gnu::cold]] ErrorCode free_slow(void* p);

  // By a caller who knows the size it asked for, with no alignment above the default.
  [[gnu::always_inline]] ErrorCode free_sized(void* p, std::size_t size) {
    if (node_count_ != 1) {  // the size tells the class, the address the node
      return free_or(p, [size](Heap& heap, void* q) { return heap.free_sized_slow(q, size); });
    }
    if (p == nullptr || !cache_at(view().all, sizes_.words(size)).push(p)) [[unlikely]]
      return free_sized_slow(p, size);
    return ErrorCode::kOk;
  }
  [[gnu::cold]] ErrorCode free_sized_slow(void* p, std::size_t size);

  // Of handles for which in_range() is true; `slow` must come to handle_alloc_slow().
  template <class Slow>
  [[gnu::always_inline]] void* alloc_or(Handle handle, Slow slow) {
    Cache& cache = view().all[handle.rep];
    void** const cell = cache.claim();
    if (!cache.holds(cell)) [[unlikely]]
      return slow(*this, handle);
    return Cache::object_at(cell);
  }
  [[gnu::cold]] void* handle_alloc_slow(Handle handle, unsigned flags = 0);

  [[gnu::always_inline]] void* alloc(Handle handle) {
    return alloc_or(handle, [](Heap& heap, Handle h) { return heap.handle_alloc_slow(h); });
  }

  template <class Slow>
  [[gnu::always_inline]] auto free_or(Handle handle, void* p, Slow slow) -> decltype(slow(*this, handle, p)) {
    if (p == nullptr || !view().all[handle.rep].push(p)) [[unlikely]]
      return slow(*this, handle, p);
    return {};
  }
  [[gnu::cold]] ErrorCode handle_free_slow(Handle handle, void* p);

  [[gnu::always_inline]] ErrorCode free(Handle handle, void* p) {
    return free_or(handle, p, [](Heap& heap, Handle h, void* q) { return heap.handle_free_slow(h, q); });
  }

  // With an alignment (0: the default), flags, and a node (kAnyNode: the caller's by preference). Where there are kinds of
  // memory (platform/types.h), place_of(kind, kCallersNode) is that kind on the caller's node by preference, and strict
  // then means no other kind.
  void* alloc_with(std::size_t size, std::size_t align, unsigned flags, NodeId node = kAnyNode);
  void* alloc_with(Handle handle, unsigned flags);
  void* alloc(const Request& request);
  // As C's realloc; on failure the old object stays.
  void* realloc(void* p, std::size_t size, std::size_t align);
  // 0 for a pointer that is not an object's of this heap.
  std::size_t usable_size(const void* p) const;
  // The same; kInvalid also where the object is known to be free. One that rests in a cache passes.
  Result<std::size_t> validate(const void* p) const;
  // Erases it first.
  ErrorCode free_sensitive(void* p);

  // All or nothing.
  [[gnu::always_inline]] ErrorCode alloc_bulk(void** ptrs, std::size_t n, std::size_t size) {
    if (pop_bulk(cache_at(view().local, sizes_.words(size)), ptrs, n)) [[likely]]
      return ErrorCode::kOk;
    return alloc_bulk(ptrs, n, size, 0, 0, kAnyNode);
  }
  [[gnu::always_inline]] ErrorCode alloc_bulk(Handle handle, void** ptrs, std::size_t n) {
    if (in_range(handle) && pop_bulk(view().all[handle.rep], ptrs, n)) [[likely]]
      return ErrorCode::kOk;
    return alloc_bulk(handle, ptrs, n, 0);
  }
  ErrorCode alloc_bulk(void** ptrs, std::size_t n, std::size_t size, std::size_t align, unsigned flags, NodeId node);
  ErrorCode alloc_bulk(Handle handle, void** ptrs, std::size_t n, unsigned flags);

  // Any sizes and nodes; the first error is returned, the others are freed.
  [[gnu::always_inline]] ErrorCode free_bulk(void* const* ptrs, std::size_t n) {
    if (n - 1 >= kMostAtOnce || ptrs == nullptr || !in_one_granule(ptrs, n)) return free_bulk_slow(ptrs, n);
    const std::size_t done = cache_at(view().all, map_.words(ptrs[0])).push_bulk(ptrs, n);
    return done == n ? ErrorCode::kOk : free_bulk_slow(ptrs + done, n - done);
  }
  [[gnu::always_inline]] ErrorCode free_bulk(Handle handle, void* const* ptrs, std::size_t n) {
    if (n - 1 >= kMostAtOnce || ptrs == nullptr || !in_range(handle) || ptrs[0] == nullptr ||
        !in_one_granule(ptrs, n)) {
      return free_bulk_slow(handle, ptrs, n);
    }
    const std::size_t done = view().all[handle.rep].push_bulk(ptrs, n);
    return done == n ? ErrorCode::kOk : free_bulk_slow(handle, ptrs + done, n - done);
  }
  ErrorCode free_bulk_slow(void* const* ptrs, std::size_t n);
  ErrorCode free_bulk_slow(Handle handle, void* const* ptrs, std::size_t n);

  Result<Handle> handle(std::size_t size, std::size_t align, NodeId node);
  // The quick half of valid(): such a handle does no harm, and the slow twins notice that it names no class.
  bool in_range(Handle handle) const { return in_range(unsigned{handle.rep}); }
  bool in_range(unsigned handle) const { return handle < bin_count_; }
  bool valid(Handle handle) const { return in_range(handle) && class_in(handle).size != 0; }

  // ---- of heaps that are checked in full; elsewhere they do nothing ------------------------------------------------

  // A device has memory of the object that p is in, until as many unpin(): it is not freed meanwhile. kInvalid: p is in
  // no live object, or is not pinned.
  Error pin(const void* p);
  Error unpin(const void* p);
  // Looks at the guards of every live object and into every one at rest, now. How many were damaged: each is reported,
  // once. Other threads may go on.
  std::size_t examine();
  // The objects that are live now, by where they were allocated.
  void leaks(TraceTotals& out);
  // The same in memory of its own, which `visit` gets. kUnsupported: the heap is not checked in full; kNoMemory.
  Error leaks(TotalsVisitor visit, void* context);
  template <class Visit>
  Error leaks(Visit visit) {
    return leaks([](TraceTotals& totals, void* context) { (*static_cast<Visit*>(context))(totals); }, &visit);
  }
  std::span<void* const> frames(TraceId trace) const {
    return checker_ != nullptr ? checker_->frames(trace) : std::span<void* const>{};
  }
  // As at the end of the program: examines, and tells what was not freed.
  void report_what_is_left();
  bool is_checked() const { return checker_ != nullptr; }
  // In a signal handler: says which object a refused access was to. false: none of this heap's.
  bool explain_fault(const void* p);
  // There is no heap here, not yet or not any more: the error that says so, and where heaps are checked, a report.
  ErrorCode refuse_without_heap();

  // ---- device addresses -------------------------------------------------------------------------------------------

  Iova iova_of(const void* p);
  Result<bool> iova_contiguous(const void* p, Bytes size);
  // How many runs make up the range; the first out.size() of them are written.
  Result<std::size_t> iova_segments(const void* p, Bytes size, std::span<IovaSegment> out);

  // ---- memory held ------------------------------------------------------------------------------------------------

  Error reserve(Bytes size, NodeId node);
  Error set_limit(Bytes limit, NodeId node);
  Result<Bytes> limit(NodeId node) const;
  // Of all nodes together.
  void set_total_limit(Bytes limit);
  // So much stays held of a node, whatever goes back; taken now where it is not.
  Error set_floor(Bytes floor, NodeId node);
  void flush();
  // Free memory, `most` bytes about, goes back to the system: whole regions first, then pages inside of them.
  Bytes trim(Bytes most = kUnlimited);

  // Memory that the user brings, for a node whose backing takes such: kPermission elsewhere. kInvalid: see
  // CallerMemory; kExists: some of it is the heap's already; kNoSpace: no room in the books for it or its IOVAs. It stays
  // the user's: destroy() forgets it, trim() leaves it.
  Error add_memory(const CallerMemory& memory);
  // By the base and size of the add. kBusy: objects of it are in use; kNotFound: not added; kPermission: the heap's own.
  Error remove_memory(void* base, Bytes size);
  // Nothing new comes from it, its objects live on and are freed as always; and back. kBusy: it is so already. What is
  // freed by handle or told size may be handed out once more.
  Error detach_memory(void* base, Bytes size);
  Error attach_memory(void* base, Bytes size);

  // ---- memory that comes ahead of need and goes by itself: core/maintain.h --------------------------------------------

  // Of a node's free memory. Below `low` more comes in the background, above `high` the surplus goes back; 0 and
  // kUnlimited: no such mark. kInvalid: `high` is not above `low`.
  Error set_watermarks(Bytes low, Bytes high, NodeId node);
  void on_watermark(WatermarkCallback callback, void* context);
  // The time constant by which free memory that stays free goes back to the system. 0: it stays.
  void set_decay(std::uint64_t ms);
  // Sleeps for at most so many ns, until something is due or a mark is crossed, and does what is due.
  Error maintain(std::uint64_t timeout);
  // A thread of the heap's own that does nothing else, on the CPUs that the caller's may run on. kBusy: it runs already.
  // Not inherited by fork.
  Error start_maintainer();
  Error stop_maintainer();
  void on_pressure(PressureCallback callback, void* context);
  // Memory is short outside of the heap: gives back by the level, and calls the callback. kInvalid: no such level.
  Error pressure(int level);
  // One step of a node's decay at a time of the caller's choice: gives back what is due, at most so much of it.
  Bytes decay_for_test(unsigned node, std::uint64_t now, Bytes most) { return decay(node, now, most, true); }

  // Before other threads use the heap: makes a slot's books ahead of its thread's first allocation. Without
  // memory for them they come on need.
  void prepare_slot(SlotId id) { slot_or_new(id); }

  // ---- who is told when memory comes and goes: core/memory_events.h ------------------------------------------------

  // Tells it of the regions that are held. kInvalid, kExists (the name), kNoSpace (8 are there); an error of came() or of
  // the IOVAs it wants: it heard goes() for what it had heard of, and is not added.
  Error add_listener(const MemoryListener& listener);
  // It hears goes() for what is held, and nothing after that. kNotFound.
  Error remove_listener(const char* name);
  bool has_listeners() const { return !listeners_.empty(); }
  // ---- memory with a name ---------------------------------------------------------------------------------------------

  // Takes memory as alloc(request) does and names it; align 0: a cache line. Size 0: the largest free memory in one piece
  // that is held now. kExists, kNoSpace, kInvalid (the name, too), and what alloc() says.
  Error zone_reserve(const char* name, const Request& request, Zone& out);
  Error zone_free(const char* name);          // kNotFound
  Result<Zone> zone(const char* name) const;  // kNotFound
  // visit(zone) of each, with no lock held: it may call the heap. Those that come or go meanwhile may be left out.
  template <class Visit>
  void each_zone(Visit visit) const {
    Zone zone;
    for (unsigned i = 0; i < state_->zones.end(); ++i) {
      if (state_->zones.at(i, zone)) visit(zone);
    }
  }
  // The largest free memory in one piece that is held of a node (kAnyNode: of any).
  Result<Bytes> zone_largest(std::size_t align, NodeId node);

  // ---- what it is and what it did ---------------------------------------------------------------------------------

  const SizeClasses& classes() const { return state_->classes; }
  // Bytes of the largest object that could be asked for, were all the heap's address space memory.
  std::size_t largest() const;
  HeapStats stats() const;
  Result<ClassStats> class_stats(std::size_t class_size) const;
  Result<SlotStats> slot_stats(unsigned slot) const;
  Result<SlotStats> slot_class_stats(unsigned slot, std::size_t class_size) const;
  Result<NodeStats> node_stats(NodeId node) const;
  // The place of a kind on the caller's node. kNotFound: no kind has the tag.
  Result<NodeId> kind(const char* tag) const;
  // Of a node, or of a whole kind.
  Result<KindStats> kind_stats(NodeId node) const;
  Result<MemoryStats> memory_stats(NodeId node) const;                      // kAnyNode: of all together
  NodeId node_at(unsigned index) const { return state_->nodes[index].id; }  // of stats().nodes
  // The regions now, at most out.size() of them. Returns how many were written.
  std::size_t regions(std::span<RegionStats> out) const;
  // Whether the address is in memory that the heap holds.
  bool holds(const void* p) const { return region_of(p) != kNoRegion; }
  void reset_stats();
  // Proves every invariant of the heap's books, and says what is wrong and what it could not look at. Other threads may go
  // on. `exact`: none is inside the heap until it returns, and then nothing is left out.
  CheckReport check(bool exact = false) const;
  // The same; stops the program where something is wrong.
  void check_invariants() const;
  HeapState* state_for_test() { return state_; }

  // ---- for core/heap_list.cc: first use, thread exit and fork ------------------------------------------------------

  void fill_views();  // the absent heap's, before any thread has a slot
  void flush_slot(SlotId slot);
  void lock_for_fork();
  void unlock_after_fork();
  void reset_in_child();
  Heap* next_in_list = nullptr;

 private:
  void forget_listeners();
  Error tell_new(const MemoryListener& listener) FM_EXCLUDES(listeners_.mutex);
  static Result<Heap*> build(const HeapConfig& config);
  // Between the heap's own tables, and at both ends of them.
  static Bytes gap(const Hardening& hardening) { return hardening.guarded_arena ? Bytes{kGranule} : Bytes{}; }

  // What the hot path reads of a slot: the caches of its home node, and those of all nodes.
  struct alignas(kSlotStride) View {
    Cache* local;
    Cache* all;
  };

  static_assert(sizeof(View) == kSlotStride && SizeTable::kWordsPerClass == kWordsPerCache);

  constexpr explicit Heap(Cache* no_caches) : no_caches_(no_caches) { views_[0] = {no_caches, no_caches}; }
  Heap(const HeapConfig& config, HeapState* state, Bytes arena_bytes, Cache* no_caches);

  [[gnu::always_inline]] View& view() {
    return *reinterpret_cast<View*>(reinterpret_cast<std::byte*>(views_) + t_slot_offset);
  }

  // The calling thread's caches, where the hot path is shown none too. no_caches_: it has none of its own.
  Cache* rows() const {
    if (!watched_) return views_[thread_slot().rep].all;
    const SlotId id = thread_slot();
    Slot* const own = id == kNoSlot || lost_ ? nullptr : slot(id.rep);
    return own != nullptr ? own->caches() : no_caches_;
  }
  // An object of a class, as the hot path takes it, and back, whatever is watched; hardened as the heap is. node -1: the
  // caller's.
  void* plain_alloc(int node, ClassId size_class, unsigned flags);
  ErrorCode plain_free(BinId bin, void* p);
  void* take_object(int node, ClassId size_class, unsigned flags);

  // The twins of a heap whose hot path is shown no caches: checked in full, or hardened. The arguments are sound, and
  // `size_class` is that of size and alignment.
  void* watched_alloc(std::size_t size, std::size_t align, unsigned flags, int node, ClassId size_class);
  void* watched_alloc(Handle handle, unsigned flags);
  ErrorCode watched_free(void* p, const Claim& claim) {
    return checker_ != nullptr ? checked_free(p, claim) : hardened_free(p, claim);
  }
  ErrorCode watched_free_bulk(void* const* ptrs, std::size_t n, Claim claim);

  // Hardened: core/heap_hardened.cc.
  ErrorCode hardened_free(void* p, const Claim& claim);
  ErrorCode hardened_free_large(ExtentIndex extent, void* p, const Claim& claim);
  bool contradicts(const Claim& claim, std::size_t size) const;
  void wrong_claim(const void* p, const Claim& claim, Home home);
  bool begins_object(BinId bin, const void* p) const;
  bool is_still_zero(const void* p, std::size_t size, Home home);
  bool is_still_zero_large(ExtentIndex extent);
  void erase(void* p, std::size_t size) const {
    if (config_.hardening.zero_on_free) std::memset(p, 0, size);
  }

  // Slow twins.
  ErrorCode foreign_free(void* p);
  Heap* owner_of(const void* p) const { return is_absent() || config_.finds_named ? named_heap_of(p) : nullptr; }
  void* large_slow(const Request& request, int node);
  ExtentIndex plain_large(const Request& request, int node);
  ErrorCode large_free_slow(ExtentIndex extent, void* p);
  void* serve_slow(int node, ClassId size_class, unsigned flags, bool claimed);
  unsigned reach_of(unsigned first, unsigned flags) const;
  void* take_held_slow(Slot& slot, unsigned first, unsigned reach, ClassId size_class, bool claimed, unsigned& from);
  void count_elsewhere(unsigned asked, unsigned served);
  void* take_slow(Slot& slot, unsigned node, ClassId size_class, bool claimed);
  bool known_to_be_out(unsigned node, BinId bin) const;
  void* out_of_memory(unsigned node, ClassId size_class);
  ErrorCode push_slow(BinId bin, void* p);

  // Checked in full: core/heap_checked.cc ...
  static constexpr std::ptrdiff_t kIntact = Checker::kIntact;
  void* checked_alloc(std::size_t size, std::size_t align, unsigned flags, int node);
  void* checked_alloc(Handle handle, unsigned flags) {
    const SizeClass& c = class_in(handle);
    return checked_alloc(c.size, std::max(std::size_t{c.align}, config_.default_align), flags,
                         static_cast<int>(handle.rep / kMaxClasses));
  }
  // The object becomes its user's.
  static void hand_out(ObjectRecord& record, std::size_t size, unsigned front_shift, TraceId trace) {
    record.alloc_trace.store(trace, std::memory_order_release);
    record.died.store(0, std::memory_order_relaxed);
    record.set_born(monotonic_ns());
    record.store(ObjectWord::of(ObjectState::kLive, size, front_shift, thread_slot()));
  }
  ErrorCode checked_free(void* p, const Claim& claim);
  std::size_t checked_size(const void* p) const;
  void* checked_realloc(void* p, std::size_t size, std::size_t align);
  FoundObject find_object(const void* p) const;
  FoundObject find_small(BinId id, const void* p) const;
  void lay_to_rest(const FoundObject& found, ObjectWord word);
  void let_go(const Quarantine::Entry& entry);
  bool end_rests();
  bool end_rests_of(Quarantine* rest);
  std::ptrdiff_t guard_damage(const FoundObject& found, ObjectWord word) const;
  std::ptrdiff_t rest_damage(const Quarantine::Entry& entry, ObjectWord word) const;
  bool is_as_claimed(ObjectWord word, const Claim& claim) const;
  MisuseReport describe(MisuseKind kind, const FoundObject& found, ObjectWord word, const void* p,
                        const Claim& claim) const;
  ErrorCode wrong_claim(const FoundObject& found, ObjectWord word, const Claim& claim);
  ErrorCode wrong_free(const FoundObject& found, ObjectWord word, void* p, const Claim& claim);
  ErrorCode damaged_free(const FoundObject& found, ObjectWord word, std::ptrdiff_t damage, const Claim& claim);
  void report_damage(const FoundObject& found, ObjectWord word, std::ptrdiff_t damage, const Claim& claim);
  std::span<const std::byte> readable(const FoundObject& found, ObjectWord word) const;
  std::span<const std::byte> readable_large(const FoundObject& found, ObjectWord word) const;
  ErrorCode unknown_free(void* p, const Claim& claim);
  void what_lies_at(const void* p, char* out, std::size_t size) const;
  void count_misuse() { state_->misuses.fetch_add(1, std::memory_order_relaxed); }

  // ... large objects, core/heap_guarded.cc ...
  void* guarded_alloc(const Request& request, int node);
  bool pages_are_small(ExtentIndex extent) const;
  void set_large_guards(ExtentIndex extent, std::byte* object, std::size_t size);
  std::ptrdiff_t large_guard_damage(const FoundObject& found, ObjectWord word) const;
  void hide_large(const FoundObject& found, ObjectWord word);
  bool hides_large(const FoundObject& found) const;
  void release_large(const FoundObject& found);
  FoundObject find_large(const void* p) const;
  FoundObject large_from(ExtentIndex head, std::size_t granule) const;
  FoundObject large_around(const void* p) const;

  // ... and all of them, core/heap_examine.cc.
  template <class Visit>
  void each_record(Visit visit);
  template <class Visit>
  std::uint32_t visit_extent(NodeState& n, ExtentIndex g, Visit visit);
  void mend(const FoundObject& found, ObjectWord word);
  void explain_faults();
  void forget_faults();

  // Whether the books are right, core/heap_check.cc.
  bool check_roots(CheckWalk& walk) const;
  void check_slots(CheckWalk& walk) const;
  void check_nodes(CheckWalk& walk) const;
  void check_regions(CheckWalk& walk) const;
  Bin made_bin(unsigned b) const;

  // Bulk.
  [[gnu::always_inline]] bool pop_bulk(Cache& cache, void** ptrs, std::size_t n) {
    if (n - 1 >= cache.count() || ptrs == nullptr) return false;  // 0 too
    void** const cell = cache.claim(n);
    if (!cache.holds(cell)) [[unlikely]]
      return unclaim_slow(cache, n);
    std::memcpy(ptrs, cell, n * sizeof(void*));
    return true;
  }
  [[gnu::cold]] bool unclaim_slow(const Cache& cache, std::size_t n);
  ErrorCode pop_bulk_slow(BinId bin, void** ptrs, std::size_t n, unsigned flags);
  ErrorCode gather(BinId bin, void** ptrs, std::size_t n, unsigned flags);
  template <class Gather>
  ErrorCode gather_apart(void** ptrs, std::size_t n, Gather gather);
  template <class AllocOne>
  ErrorCode alloc_each(void** ptrs, std::size_t n, AllocOne alloc_one);
  ErrorCode pop_bulk(BinId bin, void** ptrs, std::size_t n, unsigned flags);

  // Slots.
  Slot* own_slot_slow();
  Slot* open_slot_slow(SlotId id);
  Slot* slot_or_new(SlotId id);
  void move_home_slow();

  // What has not been used for a while.
  void begin_tending();
  void tend_slow(Slot& own);
  bool tend_next_slot(const Slot* own, std::size_t most);
  bool tend_next_bins(std::size_t most);
  void end_round(std::uint64_t now);

  // Maintenance.
  [[gnu::cold]] void attend_slow();
  bool is_maintained(std::uint64_t now) const;
  void call_maintainer();
  Error open_wake_event();
  void open_triggers();
  std::uint64_t next_due(std::uint64_t now);
  unsigned sleep(std::uint64_t ns);
  void do_what_is_due(std::uint64_t now);
  void tend_all(std::uint64_t now);
  void answer_marks(unsigned node, Bytes most, bool may_wait);
  void tell(const NodeState& n, int event, std::size_t free_granules);
  void grow_ahead(unsigned node, std::uint64_t now);
  void forget_some_use();
  Error grow_step(unsigned node, Bytes missing, const Watermarks& marks);
  Bytes kept_free(const NodeState& n) const;
  Bytes decay(unsigned node, std::uint64_t now, Bytes most, bool may_wait);
  Bytes give_back_surplus(unsigned node, Bytes most, bool may_wait);
  Bytes decay_locked(unsigned node, std::uint64_t now, Bytes most);
  Bytes give_back(unsigned node, Bytes most);
  template <class Do>
  Bytes alone_in(unsigned node, bool may_wait, Do act);
  void shed();
  void run_maintainer();
  void close_maintenance();  // without a lock: nobody else uses the heap
  unsigned current_node_index() const;
  Slot* slot(unsigned id) const { return state_->slots[id].load(std::memory_order_acquire); }
  bool has_view() const { return rows() != no_caches_; }

  // Memory.
  struct Looks {
    bool tidy_first;  // once for an allocation: other threads may empty slabs for ever that are too small for it
    bool grow;        // until the backing has said no
  };
  // What the page heap had not.
  struct Need {
    std::uint32_t granules;
    std::uint32_t align = 1;  // granules, a power of two
    std::size_t boundary = 0;
    bool contiguous = false;
    bool large = false;  // its refusal says nothing about small objects

    Bytes size() const { return Bytes{granules * kGranule}; }
    Bytes alignment() const { return Bytes{align * kGranule}; }
  };
  // One look after another, until nothing is worth another look.
  struct Search {
    static constexpr unsigned kMostTries = 64;  // each follows progress; other threads may take what it made
    unsigned node;
    Need need;
    Bytes held;
    unsigned tries = 0;
    std::uint64_t arrivals = 0;  // 0: not watched yet. Only what was looked for everywhere, twice, is called out
  };
  Search search(unsigned node, const Need& need) const { return {node, need, state_->nodes[node].pages.held()}; }
  bool look_again_slow(Search& search);
  bool make_room_slow(unsigned node, const Need& need, Bytes held_before, Looks looks);
  bool grow_slow(unsigned node, const Need& need, Bytes held_before);
  Error grow_by(unsigned node, Bytes wanted, const Need& need);
  Result<Region> ask_backing(unsigned node, Bytes size, const Need& need);
  Error add_region(unsigned node, Bytes wanted, const Need& need);
  Error add_piece(unsigned node, const Need& need, const Error& why_no_region);
  Bytes room_to_grow(unsigned node) const;
  void prepare_books();
  Error install_region(const Region& region, unsigned node, const BroughtIovas* brought = nullptr);
  void uninstall_region(RegionNumber number) FM_REQUIRES(listeners_.mutex);
  Error prepare_iovas(RegionNumber number) FM_REQUIRES(listeners_.mutex);
  void tell_all_go(unsigned listener, unsigned highest) FM_REQUIRES(listeners_.mutex);
  Error tell_came(RegionNumber number) FM_REQUIRES(listeners_.mutex);
  void tell_goes(RegionNumber number) FM_REQUIRES(listeners_.mutex);
  MemoryEvent event_of(RegionNumber number) FM_REQUIRES(listeners_.mutex);
  Error ask_listeners(NodeId node, Bytes size, Bytes held) FM_EXCLUDES(listeners_.mutex);
  bool release_empty_slabs(unsigned node, bool with_depots);
  bool reclaim_slow(unsigned node);
  bool reclaim_all_slow(unsigned node);

  // Pages that come and go inside of regions.
  Error bring_back(unsigned node, ExtentIndex lifted);
  Error bring_back_some(unsigned node, Bytes wanted, const Need& need);
  bool bring_back_all(unsigned node);
  Error bring_back_region(RegionNumber number);
  Bytes release_free_regions(unsigned node, Bytes most, Bytes keep = {});
  bool take_out(RegionNumber number, Bytes keep) FM_REQUIRES(listeners_.mutex);
  Bytes discard_free_pages(unsigned node, Bytes most);
  Error keep_regions_whole();
  void open_guards();
  std::size_t change_floor(unsigned node, Bytes floor);
  void let_regions_break() { whole_regions_.fetch_sub(1, std::memory_order_relaxed); }

  // Objects above the largest class.
  Need need_for(const Request& request) const;
  ExtentIndex take_large(unsigned node, const Need& need);
  ExtentIndex take_held_large(unsigned node, const Need& need, bool* hopeless = nullptr);
  ExtentIndex take_part(NodeState& n, const Need& need, bool& hopeless);
  bool find_part(ExtentIndex whole, const Need& need, std::uint32_t& before, Error& no_iova);
  std::size_t contiguous_from(const void* p, std::size_t size);
  Iova known_iova(const void* p);
  void* use_large(ExtentIndex extent, const Request& request);
  ExtentIndex large_at(const void* p) const;
  bool resize_large(ExtentIndex extent, std::size_t size);
  void large_out_of_memory(unsigned node, const Request& request);
  void* alloc_largest(Request& request);
  ExtentIndex take_largest(unsigned node, Need need);
  Bytes largest_held(unsigned node, std::size_t align) const;

  // Memory that the user brought.
  Result<unsigned> place_for(Region& region, NodeId node);
  RegionNumber region_that_meets(AddressRange range) const;
  Result<RegionNumber> added_region(const void* base, Bytes size) const;
  bool set_aside(RegionInfo& info);
  void resume(RegionInfo& info);
  void release_aside(const RegionInfo& info);  // its empty slabs, to the extents that nothing is taken from
  BinId bin_aside(const void* p) const;
  ErrorCode free_aside(BinId id, void* p);
  bool give_aside(ExtentIndex extent, RegionNumber region);
  bool is_aside(RegionNumber number) const {
    return number != kNoRegion && state_->regions[number].owner.load(std::memory_order_relaxed) == Owner::kAside;
  }

  // What strays left behind, once no lock is held.
  ErrorCode settle(const Strays& strays, const void* p = nullptr);
  ErrorCode settle_one(const Strays::Entry& stray);

  // Arguments.
  // kNoClass: it is served as a large object.
  ErrorCode resolve(std::size_t size, std::size_t align, unsigned flags, ClassId& size_class) const;
  int node_index(NodeId node) const;  // -1: not there
  // What a caller's node means: kAnyNode is not asked here.
  struct Place {
    int first;        // index of the node to begin with; -1: not there
    bool whole_kind;  // any node of its kind was named
  };
  static constexpr unsigned kWholeKind = 1u << 31;  // the same among flags, once the user's were looked at
  Place place(NodeId node);
  static Error no_place(NodeId node);
  bool akin(unsigned node, NodeId to) const { return kind_of(state_->nodes[node].id) == kind_of(to); }
  bool has_kind(NodeId node) const;  // it names a whole kind, and there is one
  unsigned home();                   // the index of the calling thread's home node
  unsigned row_of(unsigned node) const { return node * kMaxClasses; }
  BinId bin_id(unsigned node, ClassId c) const { return BinId{static_cast<std::uint16_t>(row_of(node) + c.rep)}; }
  Bin& bin(BinId id) const { return state_->bins[id.rep]; }
  const SizeClass& class_in(BinId id) const { return state_->classes.classes[id.rep % kMaxClasses]; }
  Home home_of(BinId id) const { return {class_in(id).size, state_->nodes[id.rep / kMaxClasses].id}; }
  ClassId class_of_size(std::size_t class_size) const;
  RegionNumber region_of(const void* p) const;
  unsigned node_of(RegionNumber region) const { return state_->regions[region].node; }
  CacheCounts slot_counts(const Slot& slot, ClassId only) const;
  Result<ClassStats> class_stats_locked(std::size_t class_size) const FM_REQUIRES(stats_);
  void add_memory_held(HeapStats& s) const;

  // Cold.
  HeapState* state_ = nullptr;
  Backing* backing_ = nullptr;
  const Topology* topology_ = nullptr;
  Cache* no_caches_;  // a row for each node, all without a magazine: the view of a thread without a slot
  HeapConfig config_;
  Bytes reserved_;  // of the address space that begins at state_, or at the gap before it
  Bytes own_bytes_;
  Checker* checker_ = nullptr;  // of heaps that are checked in full
  // Each alloc and free is looked at: the hot path is shown empty caches, so that its calls take their slow twins.
  bool watched_ = false;
  bool lost_ = false;  // in the child of a fork that did not inherit the regions. Written while no other thread runs
  mutable Mutex admin_{LockRank::kHeapAdmin};  // reserve, limits, trim
  mutable Mutex stats_{LockRank::kStats};      // nobody reads while a reset is halfway
  std::atomic<unsigned> whole_regions_{0};     // relaxed: how many want no pages to go inside of regions
  ListenerList listeners_;                     // of this process alone: a child of fork has none
  Maintenance maintenance_;

  // Hot, read-only after creation but for one's own view. Not in the first line of a page, where large objects begin, and
  // at the start of a line, where smaller ones do, only what a well predicted branch waits for; see Cache.
  alignas(kLinePair) unsigned node_count_ = 0;
  unsigned bin_count_ = 0;
  PageMap map_;
  SizeTable sizes_ = {};
  View views_[kMaxSlots] = {};
};

// Once a heap is checked: all such heaps tell what is left when the program ends.
void report_heaps_at_exit();

}  // namespace fastmem::core
