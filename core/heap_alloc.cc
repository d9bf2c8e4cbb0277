// SPDX-License-Identifier: BSD-3-Clause
// core/heap_alloc.cc -- floor 2 (core). One object at a time: arguments, slow twins, and what misuse leaves behind.
#include <algorithm>
#include <cstring>

#include "core/heap.h"
#include "platform/clock.h"
#include "platform/log.h"

namespace fastmem::core {
namespace {

constexpr std::uint64_t kDroughtLasts = 10'000'000;  // ns
constexpr std::uint64_t kQuiet = 1'000'000'000;      // ns between two lines about a node

void tell_once(NodeState& n) {
  const std::uint64_t arrivals = n.arrivals.load();
  if (n.told_arrivals.load(std::memory_order_relaxed) == arrivals) return;
  const std::uint64_t now = monotonic_ns();
  if (now < n.told_until.load(std::memory_order_relaxed)) return;
  if (n.told_arrivals.exchange(arrivals) == arrivals) return;  // another thread just did
  n.told_until.store(now + kQuiet, std::memory_order_relaxed);
  log(LogLevel::kWarning, "%s", last_error().text);
}

bool cannot_grow(NodeState& n) {
  const LockGuard guard(n.growth);
  return n.no_growth_before != 0 || n.pages.room_to_grow().rep == 0;
}

}  // namespace

// ---- arguments -----------------------------------------------------------------------------------------------------

ErrorCode Heap::resolve(std::size_t size, std::size_t align, unsigned flags, ClassId& size_class) const {
  if ((flags & ~kKnownFlags) != 0) return fail(ErrorCode::kInvalid, "unknown flags %#x", flags & ~kKnownFlags);
  if (size == 0) return fail(ErrorCode::kInvalid, "size 0 asked");
  if (align != 0 && !is_power_of_two(align)) {
    return fail(ErrorCode::kInvalid, "alignment %zu is not a power of two", align);
  }
  const std::size_t most = largest();
  if (size > most) return fail(ErrorCode::kTooBig, "%zu bytes asked, the largest object has %zu", size, most);
  if (align > most) return fail(ErrorCode::kTooBig, "alignment %zu asked, the largest is %zu", align, most);
  const std::size_t rounded = round_up(size, align != 0 ? align : config_.default_align);
  size_class = class_of(state_->profile, rounded);
  if (rounded > most) {
    return fail(ErrorCode::kTooBig, "%zu bytes aligned to %zu are more than the largest object", size, align);
  }
  return ErrorCode::kOk;
}

std::size_t Heap::largest() const {
  return std::min(config_.largest_object.rep, std::size_t{map_.granules()} * kGranule);
}

// ---- alloc ---------------------------------------------------------------------------------------------------------

void* Heap::alloc_with(std::size_t size, std::size_t align, unsigned flags, NodeId node) {
  ClassId size_class;
  if (is_absent()) return own_slot_slow();  // says so
  if (resolve(size, align, flags, size_class) != ErrorCode::kOk) return nullptr;
  if (size_class == kNoClass || (flags & kContiguous) != 0) return alloc(Request{size, align, 0, flags, node});
  int index = -1;
  if (node != kAnyNode) {
    const Place asked = place(node);
    index = asked.first;
    if (index < 0) return set_last_error(no_place(node)), nullptr;
    if (asked.whole_kind) flags |= kWholeKind;
  }
  if (watched_) return watched_alloc(size, align != 0 ? align : config_.default_align, flags, index, size_class);
  const View v = view();
  Cache& cache = index < 0 ? v.local[size_class.rep] : v.all[bin_id(static_cast<unsigned>(index), size_class).rep];
  void** const cell = cache.claim();
  void* const p = cache.holds(cell) ? Cache::object_at(cell) : serve_slow(index, size_class, flags, has_view());
  if (p != nullptr && (flags & kZero) != 0) std::memset(p, 0, size);
  return p;
}

void* Heap::alloc_with(Handle handle, unsigned flags) {
  if (is_absent()) return own_slot_slow();  // says so
  if (!valid(handle) || (flags & ~kKnownFlags) != 0) {
    fail(ErrorCode::kInvalid, "not a handle of this heap (%u), or unknown flags (%#x)", unsigned{handle.rep}, flags);
    return nullptr;
  }
  if (watched_) return watched_alloc(handle, flags);
  Cache& cache = view().all[handle.rep];
  void** const cell = cache.claim();
  void* const p = cache.holds(cell)
                      ? Cache::object_at(cell)
                      : serve_slow(handle.rep / static_cast<int>(kMaxClasses),
                                   ClassId{static_cast<std::uint8_t>(handle.rep % kMaxClasses)}, flags, has_view());
  if (p != nullptr && (flags & kZero) != 0) std::memset(p, 0, class_in(handle).size);
  return p;
}

void* Heap::alloc_slow(std::size_t size) {
  if (is_absent()) return own_slot_slow();  // says so
  const ClassId size_class = sizes_(size);
  if (size_class != kNoClass) {
    return watched_ ? watched_alloc(size, config_.default_align, 0, -1, size_class)
                    : serve_slow(-1, size_class, 0, has_view());
  }
  const std::size_t most = largest();
  const bool served = size > kMaxSize && size <= most && round_up(size, config_.default_align) <= most;
  return served ? large_slow({.size = size}, -1) : alloc(Request{.size = size});  // says what is wrong
}

void* Heap::handle_alloc_slow(Handle handle, unsigned flags) {
  if (is_absent()) return own_slot_slow();  // says so
  if (!valid(handle)) {
    fail(ErrorCode::kInvalid, "not a handle of this heap: %u", unsigned{handle.rep});
    return nullptr;
  }
  if (watched_) return watched_alloc(handle, flags);
  return serve_slow(static_cast<int>(handle.rep / kMaxClasses),
                    ClassId{static_cast<std::uint8_t>(handle.rep % kMaxClasses)}, flags, has_view());
}

// From the node asked (-1: the caller's), then from the others, nearest first: those that `flags` allow. With kAnyKind
// what any of them holds comes before what one would have to grow for.
// `claimed`: the failed claim() was on the calling thread's own cache of that node and class.
void* Heap::serve_slow(int node, ClassId size_class, unsigned flags, bool claimed) {
  Slot* const s = own_slot_slow();
  if (s == nullptr) return nullptr;
  const unsigned first = node < 0 ? home() : static_cast<unsigned>(node);
  const unsigned reach = reach_of(first, flags);
  const bool held_first = (flags & kAnyKind) != 0;
  unsigned from = first;
  void* p = held_first ? take_held_slow(*s, first, reach, size_class, claimed, from) : nullptr;
  for (unsigned k = 0; p == nullptr && k < reach; ++k) {
    from = state_->nodes[first].nearest[k];
    p = take_slow(*s, from, size_class, claimed && k == 0 && !held_first);
  }
  if (p != nullptr && from != first) count_elsewhere(first, from);
  if (p == nullptr) {
    s->count_nomem(bin_id(first, size_class), 1);
    return out_of_memory(first, size_class);
  }
  move_home_slow();
  tend_slow(*s);
  return p;
}

// How many of nodes[first].nearest may serve.
unsigned Heap::reach_of(unsigned first, unsigned flags) const {
  const NodeState& n = state_->nodes[first];
  if ((flags & kStrict) == 0) return n.reach;
  return (flags & kWholeKind) != 0 ? n.kin : 1;
}

// Without growing any of them.
void* Heap::take_held_slow(Slot& s, unsigned first, unsigned reach, ClassId size_class, bool claimed, unsigned& from) {
  for (unsigned k = 0; k < reach; ++k) {
    from = state_->nodes[first].nearest[k];
    Strays strays;
    void* const p = s.pop_slow(bin(bin_id(from, size_class)), claimed && k == 0, strays);
    settle(strays);
    if (p != nullptr) return p;
  }
  return nullptr;
}

void Heap::count_elsewhere(unsigned asked, unsigned served) {
  state_->elsewhere.fetch_add(1, std::memory_order_relaxed);
  state_->nodes[asked].sent_elsewhere.fetch_add(1, std::memory_order_relaxed);
  state_->nodes[served].served_for_others.fetch_add(1, std::memory_order_relaxed);
}

void* Heap::take_slow(Slot& s, unsigned node, ClassId size_class, bool claimed) {
  const BinId id = bin_id(node, size_class);
  if (known_to_be_out(node, id)) {
    if (claimed) s.unclaim_slow(id, 1);
    return nullptr;
  }
  Bin& from = bin(id);
  Search looking = search(node, {.granules = from.granules()});
  do {
    Strays strays;
    void* const p = s.pop_slow(from, claimed, strays);
    settle(strays);
    if (p != nullptr) return p;
    claimed = false;
  } while (look_again_slow(looking));
  if (looking.tries >= Search::kMostTries) {
    // Each time memory came, others had it or gave it back to the system. Nothing goes back while `growth` is held.
    Strays strays;
    void* p = nullptr;
    {
      const LockGuard growing(state_->nodes[node].growth);
      if (grow_by(node, config_.first_region, looking.need).ok()) p = s.pop_slow(from, false, strays);
    }
    settle(strays);
    if (p != nullptr) return p;
  }
  if (cannot_grow(state_->nodes[node])) {
    state_->droughts[id.rep].until.store(monotonic_ns() + kDroughtLasts, std::memory_order_relaxed);
    state_->droughts[id.rep].arrivals.store(looking.arrivals, std::memory_order_relaxed);
  }
  return nullptr;
}

// Whether, after nothing was found, something has changed, or there was no full look yet.
bool Heap::look_again_slow(Search& s) {
  NodeState& n = state_->nodes[s.node];
  // A new region that is one run in IOVA space and still will not do: the next one will not either.
  const bool grow = s.arrivals == 0 && (!s.need.contiguous || s.tries < 2);
  const Looks looks{.tidy_first = s.tries == 0, .grow = grow};
  if (++s.tries >= Search::kMostTries) return false;
  if (!make_room_slow(s.node, s.need, s.held, looks)) {
    if (s.arrivals != 0 && s.arrivals == n.arrivals.load()) return false;
    s.arrivals = n.watch();
  }
  s.held = n.pages.held();
  return true;
}

bool Heap::known_to_be_out(unsigned node, BinId id) const {
  const Drought& drought = state_->droughts[id.rep];
  const NodeState& n = state_->nodes[node];
  if (drought.arrivals.load(std::memory_order_relaxed) != n.arrivals.load()) return false;
  // When it is time to look again, one thread does.
  return monotonic_ns() < drought.until.load(std::memory_order_relaxed) || n.asking.load(std::memory_order_relaxed);
}

void* Heap::out_of_memory(unsigned node, ClassId size_class) {
  NodeState& n = state_->nodes[node];
  const Error why = n.refused_because();
  fail(ErrorCode::kNoMemory, "no object of %u bytes on node %u: %zu KiB held, %zu KiB in slabs; %s",
       state_->classes[size_class].size, unsigned{n.id.rep}, n.pages.held() / kKiB, n.pages.used() / kKiB,
       why.ok() ? "the limit is reached" : why.text);
  tell_once(n);
  return nullptr;
}

Result<Handle> Heap::handle(std::size_t size, std::size_t align, NodeId node) {
  ClassId size_class;
  if (resolve(size, align, 0, size_class) != ErrorCode::kOk) return last_error();
  if (size_class == kNoClass) {
    return make_error(ErrorCode::kTooBig, "%zu bytes asked, the largest size class has %zu", size, kMaxSize);
  }
  const int index = node == kAnyNode ? static_cast<int>(home()) : place(node).first;
  if (index < 0) return no_place(node);
  return bin_id(static_cast<unsigned>(index), size_class);
}

// ---- free ----------------------------------------------------------------------------------------------------------

ErrorCode Heap::free_slow(void* p) {
  if (p == nullptr) return ErrorCode::kOk;
  if (watched_) return watched_free(p, {});
  const BinId id = map_.find(p);
  if (id != kNoBin) return push_slow(id, p);
  if (!is_absent()) {
    const ExtentIndex extent = large_at(p);
    return extent != kNoExtent ? large_free_slow(extent, p) : foreign_free(p);
  }
  Heap* const owner = owner_of(p);
  return owner != nullptr ? owner->free(p) : push_slow(id, p);  // says that there is no heap
}

ErrorCode Heap::free_sized_slow(void* p, std::size_t size) {
  return watched_ ? watched_free(p, {.of = Claim::Of::kSize, .size = size}) : free_slow(p);
}

ErrorCode Heap::handle_free_slow(Handle handle, void* p) {
  if (p == nullptr) return ErrorCode::kOk;
  if (is_absent()) return refuse_without_heap();
  if (!valid(handle)) return fail(ErrorCode::kInvalid, "not a handle of this heap: %u", unsigned{handle.rep});
  if (watched_) return watched_free(p, {.of = Claim::Of::kHandle, .size = class_in(handle).size});
  return push_slow(handle, p);
}

ErrorCode Heap::push_slow(BinId id, void* p) {
  Slot* const s = own_slot_slow();
  if (s == nullptr) return last_error().code;
  Strays strays;
  s->push_slow(bin(id), p, strays);
  const ErrorCode code = settle(strays, p);
  state_->nodes[id.rep / kMaxClasses].note_arrival();
  tend_slow(*s);
  return code;
}

// Not where the map says: in memory that is detached, or in a heap with a name. Else the caller's mistake.
ErrorCode Heap::foreign_free(void* p) {
  if (const BinId id = bin_aside(p); id != kNoBin) return free_aside(id, p);
  if (Heap* const owner = owner_of(p)) return owner->free(p);
  state_->misuses.fetch_add(1, std::memory_order_relaxed);
  report::foreign_free(config_.misuse, p);
  return fail(ErrorCode::kForeignPointer, "%p is not an object of this heap", p);
}

// Each is reported; one that only came to the wrong bin goes home. The code is that of `p`, where it is among them.
ErrorCode Heap::settle(const Strays& strays, const void* p) {
  ErrorCode code = ErrorCode::kOk;
  for (const Strays::Entry& stray : strays) {
    state_->misuses.fetch_add(1, std::memory_order_relaxed);
    const ErrorCode its = settle_one(stray);
    if (stray.object == p) code = its;
  }
  if (strays.lost() != 0) {
    state_->misuses.fetch_add(strays.lost(), std::memory_order_relaxed);
    report::lost_strays(config_.misuse, strays.lost());
  }
  return code;
}

ErrorCode Heap::settle_one(const Strays::Entry& stray) {
  switch (stray.why) {
    case Stray::kOtherBin: {
      report::wrong_class_free(config_.misuse, stray.object, home_of(stray.came_to), home_of(stray.found_in));
      Strays again;  // not in its bin either: it stays where it is, reported once
      bin(stray.found_in).drain(&stray.object, 1, again);
      state_->nodes[stray.found_in.rep / kMaxClasses].note_arrival();
      return ErrorCode::kInvalid;
    }
    case Stray::kWasFree:
      report::double_free(config_.misuse, stray.object, home_of(stray.found_in));
      return ErrorCode::kDoubleFree;
    case Stray::kInsideObject:
      report::inner_free(config_.misuse, stray.object, home_of(stray.found_in));
      return ErrorCode::kForeignPointer;
    case Stray::kGuardWritten:
      report::written_guard(config_.misuse, stray.object, home_of(stray.found_in));
      return ErrorCode::kInvalid;
    case Stray::kCellWritten:
      report::written_magazine(config_.misuse, stray.object, home_of(stray.found_in));
      return ErrorCode::kInvalid;
    case Stray::kNoSlab:
      break;
  }
  report::foreign_free(config_.misuse, stray.object);
  return ErrorCode::kForeignPointer;
}

// ---- realloc and size ----------------------------------------------------------------------------------------------

void* Heap::realloc(void* p, std::size_t size, std::size_t align) {
  if (p == nullptr) return alloc_with(size, align, 0);
  if (refuse_in_callback() != ErrorCode::kOk) return nullptr;
  if (Heap* const owner = holds(p) ? nullptr : owner_of(p)) return owner->realloc(p, size, align);
  if (checker_ != nullptr && size != 0) return checked_realloc(p, size, align);
  const std::size_t old_size = usable_size(p);
  if (old_size == 0) {
    foreign_free(p);
    return nullptr;
  }
  if (size == 0) {
    free(p);
    return nullptr;
  }
  ClassId wanted;
  if (resolve(size, align, 0, wanted) != ErrorCode::kOk) return nullptr;
  const std::size_t alignment = align != 0 ? align : config_.default_align;
  const bool aligned = (reinterpret_cast<std::uintptr_t>(p) & (alignment - 1)) == 0;
  const ExtentIndex extent = large_at(p);
  if (extent != kNoExtent) {
    if (aligned && wanted == kNoClass && resize_large(extent, size)) return p;
  } else if (aligned && wanted != kNoClass && state_->classes[wanted].size == old_size) {
    return p;  // its class is always that of the size last asked for: a later sized free relies on it
  }
  void* const moved = alloc_with(size, align, 0);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, p, std::min(size, old_size));
  free(p);
  return moved;
}

ErrorCode Heap::free_sensitive(void* p) {
  if (const ErrorCode code = refuse_in_callback(); code != ErrorCode::kOk) return code;  // the object stays as it is
  if (p != nullptr) explicit_bzero(p, usable_size(p));
  return free(p);
}

Result<std::size_t> Heap::validate(const void* p) const {
  if (const Heap* const owner = holds(p) ? nullptr : owner_of(p)) return owner->validate(p);
  const std::size_t size = usable_size(p);
  if (size == 0) return make_error(ErrorCode::kInvalid, "%p is not an object of this heap", p);
  if (checker_ != nullptr) return size;
  const BinId id = is_aside(region_of(p)) ? bin_aside(p) : map_.find(p);
  if (id != kNoBin && bin(id).has_free(p)) return make_error(ErrorCode::kInvalid, "%p is free", p);
  return size;
}

std::size_t Heap::usable_size(const void* p) const {
  if (checker_ != nullptr) {
    if (const std::size_t size = checked_size(p); size != 0 || map_.find(p) != kNoBin) return size;
  }
  BinId id = map_.find(p);
  if (id == kNoBin) id = bin_aside(p);
  if (id == kNoBin) {
    const ExtentIndex extent = large_at(p);
    if (extent != kNoExtent) return state_->extents[extent].granules * kGranule;
    const Heap* const owner = owner_of(p);
    return owner != nullptr ? owner->usable_size(p) : 0;
  }
  return begins_object(id, p) ? class_in(id).size : 0;
}

bool Heap::begins_object(BinId id, const void* p) const {
  const SizeClass& c = class_in(id);
  const ExtentIndex head = state_->extents[static_cast<ExtentIndex>(map_.granule_of(p))].head;
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(p) - map_.address_of(head));
  const std::size_t index = offset * c.reciprocal >> kReciprocalShift;
  return index * c.size == offset && index < c.objects;
}

}  // namespace fastmem::core
