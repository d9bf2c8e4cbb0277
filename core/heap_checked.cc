// SPDX-License-Identifier: BSD-3-Clause
// core/heap_checked.cc -- floor 2 (core). Objects of a heap that is checked in full: each has guards and a record, and
// rests after it was freed. The twins of alloc and free are first; what went wrong is named behind them.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "core/heap.h"
#include "core/heap_list.h"
#include "platform/clock.h"
#include "platform/mapping_name.h"
#include "platform/stack_trace.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kAtOnce = 16;  // objects whose rest ends together

}  // namespace

// ---- alloc -----------------------------------------------------------------------------------------------------------

// The cell of a class that an address lies in, with its record.
[[gnu::always_inline]] inline FoundObject Heap::find_small(BinId id, const void* p) const {
  const SizeClass& c = class_in(id);
  const ExtentIndex head = state_->extents[static_cast<ExtentIndex>(map_.granule_of(p))].head;
  std::byte* const base = map_.address_of(head);
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(p) - base);
  const std::size_t index = offset * c.reciprocal >> kReciprocalShift;
  ObjectRecord* const records = checker_->records(state_->extents[head], c);
  if (index >= c.objects || records == nullptr) [[unlikely]]
    return {};
  return {records + index, base + index * c.size, c.size, id, head};
}

FoundObject Heap::find_object(const void* p) const {
  const BinId id = map_.find(p);
  if (id != kNoBin) return find_small(id, p);
  const BinId aside = bin_aside(p);
  return aside != kNoBin ? find_small(aside, p) : find_large(p);
}

// node -1: the caller's. The arguments are sound.
void* Heap::checked_alloc(std::size_t size, std::size_t align, unsigned flags, int node) {
  const CellPlan plan = Checker::plan(size, align);
  const ClassId size_class = sizes_(plan.total);
  if (size_class == kNoClass) [[unlikely]]
    return guarded_alloc({.size = size, .align = plan.front, .flags = flags}, node);
  auto* const cell = static_cast<std::byte*>(plain_alloc(node, size_class, flags));
  if (cell == nullptr) return nullptr;
  const BinId id = map_.find(cell);
  const FoundObject found = id != kNoBin ? find_small(id, cell) : find_object(cell);
  if (found.record == nullptr) [[unlikely]] {
    plain_free(id, cell);
    return fail(ErrorCode::kNoMemory, "no memory for the records of checked objects"), nullptr;
  }
  if (found.cell != cell || found.record->load().state() != ObjectState::kNone) [[unlikely]] {
    report::damaged_books("an object of a checked heap that is in use came to be handed out", cell);
    return fail(ErrorCode::kInvalid, "the heap's books are damaged: %p is in use", static_cast<void*>(cell)), nullptr;
  }
  std::byte* const object = cell + plan.front;
  Checker::set_guards(object, size, cell + found.cell_size);
  if ((flags & kZero) != 0) std::memset(object, 0, size);
  hand_out(*found.record, size, static_cast<unsigned>(std::countr_zero(plan.front)),
           checker_->trace(__builtin_frame_address(0)));
  return object;
}

// ---- free ------------------------------------------------------------------------------------------------------------

[[gnu::always_inline]] inline void Heap::lay_to_rest(const FoundObject& found, ObjectWord word) {
  const bool is_large = found.bin == kNoBin;
  const Quarantine::Entry entry{found.record, found.object(word), found.cell_size};
  if (is_large) {
    hide_large(found, word);
  } else {
    guard::fill(entry.object, word.size(), guard::kPoisonByte);
  }
  Quarantine* const rest = is_large ? &checker_->large() : checker_->quarantine(thread_slot());
  Quarantine::Entry oldest[kAtOnce];
  std::size_t n = 0;
  if (rest == nullptr || !rest->push(entry, oldest, n)) return let_go(entry);
  while (n != 0) {
    for (std::size_t i = 0; i < n; ++i) let_go(oldest[i]);
    n = n == kAtOnce ? rest->pop_excess(oldest) : 0;
  }
}

ErrorCode Heap::checked_free(void* p, const Claim& claim) {
  if (p == nullptr) return ErrorCode::kOk;
  if (rows() == no_caches_ && own_slot_slow() == nullptr) return last_error().code;
  const BinId id = map_.find(p);
  const FoundObject found = id != kNoBin ? find_small(id, p) : find_object(p);
  if (found.record == nullptr) return unknown_free(p, claim);
  const ObjectWord word = found.record->load();
  if (word.state() != ObjectState::kLive || found.object(word) != p || found.record->pins() != 0) [[unlikely]] {
    return wrong_free(found, word, p, claim);
  }
  const bool as_claimed = claim.of == Claim::Of::kNothing || is_as_claimed(word, claim);
  // Of two threads that free it at once, one does.
  if (!found.record->change(word, word.in(ObjectState::kResting))) {
    return wrong_free(found, found.record->load(), p, claim);
  }
  found.record->free_trace.store(checker_->trace(__builtin_frame_address(0)), std::memory_order_release);
  found.record->set_died(monotonic_ns(), thread_slot());
  const bool is_small = found.bin != kNoBin;
  if (!is_small || !Checker::guards_are_intact(found.object(word), word.size(), found.cell + found.cell_size))
      [[unlikely]] {
    if (const std::ptrdiff_t damage = guard_damage(found, word); damage != kIntact) {
      return damaged_free(found, word, damage, claim);
    }
  }
  lay_to_rest(found, word);
  return as_claimed ? ErrorCode::kOk : wrong_claim(found, word, claim);
}

// The rest of an object is over: nobody wrote to it meanwhile, or it stays out of use.
void Heap::let_go(const Quarantine::Entry& entry) {
  const ObjectWord word = entry.record->load();
  if (word.state() == ObjectState::kLost) return;  // Heap::examine() found it so
  const BinId bin = map_.find(entry.object);
  const bool is_intact = bin != kNoBin ? guard::is_intact(entry.object, word.size(), guard::kPoisonByte)
                                       : rest_damage(entry, word) == kIntact;
  if (!is_intact) [[unlikely]] {
    entry.record->store(word.in(ObjectState::kLost));
    report_damage(find_object(entry.object), word, rest_damage(entry, word), {});
    return;
  }
  entry.record->store(word.in(ObjectState::kNone));
  std::byte* const cell = entry.object - word.front();
  if (bin != kNoBin) [[likely]] {
    plain_free(bin, cell);
  } else if (const BinId aside = bin_aside(entry.object); aside != kNoBin) {
    free_aside(aside, cell);
  } else {
    release_large(find_large(entry.object));
  }
}

// Every rest ends now: memory is short, or its user asks for it back. Whether any did.
bool Heap::end_rests() {
  if (checker_ == nullptr) return false;
  bool any = end_rests_of(&checker_->large());
  for (unsigned s = 0; s < kMaxSlots; ++s) any |= end_rests_of(checker_->existing_quarantine(s));
  return any;
}

bool Heap::end_rests_of(Quarantine* rest) {
  if (rest == nullptr) return false;
  Quarantine::Entry oldest[kAtOnce];
  bool any = false;
  for (std::size_t n; (n = rest->pop(oldest)) != 0; any = true) {
    for (std::size_t i = 0; i < n; ++i) let_go(oldest[i]);
  }
  return any;
}

// ---- what the object's bytes say ---------------------------------------------------------------------------------------

// Of a live one: where its guards were written, from its start; kIntact: nowhere.
std::ptrdiff_t Heap::guard_damage(const FoundObject& found, ObjectWord word) const {
  const std::byte* const object = found.object(word);
  const std::byte* const end = found.cell + found.cell_size;
  return found.bin == kNoBin ? large_guard_damage(found, word) : Checker::guard_damage(object, word.size(), end);
}

// Of one at rest: where it was written; kIntact: nowhere.
std::ptrdiff_t Heap::rest_damage(const Quarantine::Entry& entry, ObjectWord word) const {
  if (map_.find(entry.object) == kNoBin && bin_aside(entry.object) == kNoBin && hides_large(find_large(entry.object))) {
    return kIntact;  // it could not be written
  }
  if (guard::is_intact(entry.object, word.size(), guard::kPoisonByte)) [[likely]]
    return kIntact;
  return static_cast<std::ptrdiff_t>(guard::first_damage(entry.object, word.size(), guard::kPoisonByte));
}

bool Heap::is_as_claimed(ObjectWord word, const Claim& claim) const {
  if (claim.of == Claim::Of::kSize) return claim.size == word.size();
  const auto class_size = [&](std::size_t align) {
    const ClassId c = class_of(state_->profile, round_up(word.size(), align));
    return c == kNoClass ? 0 : std::size_t{state_->classes[c].size};
  };
  return claim.size == class_size(config_.default_align) ||
         claim.size == class_size(std::max<std::size_t>(word.front(), 1));
}

// ---- the caller's mistakes -----------------------------------------------------------------------------------------------

MisuseReport Heap::describe(MisuseKind kind, const FoundObject& found, ObjectWord word, const void* p,
                            const Claim& claim) const {
  MisuseReport r;
  r.kind = kind;
  r.address = p;
  r.heap = this;
  r.index = claim.index;
  r.count = claim.count;
  r.noticed_by = thread_slot();
  if (checker_->takes_traces()) r.noticed_depth = capture_stack(r.noticed_trace, kMostTraceFrames, 1);
  if (found.record == nullptr) return r;
  const ObjectRecord& record = *found.record;
  const std::uint64_t now = monotonic_ns();
  r.object = found.object(word);
  r.size = word.size();
  r.class_size = found.bin != kNoBin ? found.cell_size : 0;
  if (const RegionNumber region = region_of(found.cell); region != kNoRegion) {
    r.node = state_->nodes[node_of(region)].id;
  }
  r.has_history = record.born_at() != 0;
  r.allocated_by = word.slot();
  r.alloc_trace = checker_->frames(record.alloc_trace.load(std::memory_order_acquire));
  r.allocated_ago = now - record.born_at();
  r.was_freed = word.state() != ObjectState::kLive;
  if (!r.was_freed) return r;
  r.freed_by = record.freed_by();
  r.free_trace = checker_->frames(record.free_trace.load(std::memory_order_acquire));
  r.freed_ago = now - record.died.load(std::memory_order_relaxed);
  return r;
}

// A live object of another size or handle: it is named, and was freed all the same.
ErrorCode Heap::wrong_claim(const FoundObject& found, ObjectWord word, const Claim& claim) {
  const bool by_size = claim.of == Claim::Of::kSize;
  MisuseReport r =
      describe(by_size ? MisuseKind::kWrongSize : MisuseKind::kWrongHandle, found, word, found.object(word), claim);
  r.claimed = claim.size;
  count_misuse();
  by_size ? report::wrong_size(config_.misuse, r) : report::wrong_handle(config_.misuse, r);
  return fail(ErrorCode::kInvalid, "%p has %zu bytes, not what it was freed as", r.object, r.size);
}

// Not a live object's start.
ErrorCode Heap::wrong_free(const FoundObject& found, ObjectWord word, void* p, const Claim& claim) {
  if (found.record->born_at() == 0) return unknown_free(p, claim);  // nothing was ever handed out there
  count_misuse();
  if (found.object(word) != p) {
    report::inner_free(config_.misuse, describe(MisuseKind::kInnerFree, found, word, p, claim));
    return fail(ErrorCode::kForeignPointer, "%p is not where an object begins", p);
  }
  if (word.state() == ObjectState::kLive) {
    MisuseReport r = describe(MisuseKind::kPinnedFree, found, word, p, claim);
    r.claimed = static_cast<std::size_t>(found.record->pins());
    report::pinned_free(config_.misuse, r);
    return fail(ErrorCode::kBusy, "%p is lent to a device", p);
  }
  report::double_free(config_.misuse, describe(MisuseKind::kDoubleFree, found, word, p, claim));
  return fail(ErrorCode::kDoubleFree, "%p was free already", p);
}

// Its guards were written: it is named and stays out of use.
ErrorCode Heap::damaged_free(const FoundObject& found, ObjectWord word, std::ptrdiff_t damage, const Claim& claim) {
  report_damage(found, word, damage, claim);
  found.record->store(word.in(ObjectState::kLost));
  return fail(ErrorCode::kInvalid, "memory beside %p was written", static_cast<void*>(found.object(word)));
}

// What can be looked at of the cell.
std::span<const std::byte> Heap::readable(const FoundObject& found, ObjectWord word) const {
  return found.bin != kNoBin ? std::span<const std::byte>{found.cell, found.cell_size} : readable_large(found, word);
}

void Heap::report_damage(const FoundObject& found, ObjectWord word, std::ptrdiff_t damage, const Claim& claim) {
  const bool at_rest = word.state() == ObjectState::kResting;
  const MisuseKind kind = at_rest      ? MisuseKind::kWriteAfterFree
                          : damage < 0 ? MisuseKind::kUnderrun
                                       : MisuseKind::kOverrun;
  MisuseReport r = describe(kind, found, word, found.object(word) + damage, claim);
  r.damage = damage;
  r.readable = readable(found, word);
  count_misuse();
  if (at_rest) {
    report::write_after_free(config_.misuse, r);
  } else {
    damage < 0 ? report::underrun(config_.misuse, r) : report::overrun(config_.misuse, r);
  }
}

// No object of ours, as far as the records tell.
ErrorCode Heap::unknown_free(void* p, const Claim& claim) {
  if (const ExtentIndex extent = large_at(p); extent != kNoExtent) return large_free_slow(extent, p);  // a zone's
  if (Heap* const owner = owner_of(p)) return owner->free(p);
  const FoundObject large = large_around(p);
  if (large.record != nullptr) return wrong_free(large, large.record->load(), p, claim);
  count_misuse();
  MisuseReport r = describe(MisuseKind::kForeignFree, {}, {}, p, claim);
  char what[kLongestMappingText];
  what_lies_at(p, what, sizeof(what));
  report::foreign_free(config_.misuse, r, what);
  return fail(ErrorCode::kForeignPointer, "%p is not an object of this heap", p);
}

// In words, for people.
void Heap::what_lies_at(const void* p, char* out, std::size_t size) const {
  if (holds(p)) {
    std::snprintf(out, size, "the heap holds this memory, and no object was handed out there");
  } else if (const Heap* const other = listed_heap_of(p)) {
    std::snprintf(out, size, "it is memory of heap %p", static_cast<const void*>(other));
  } else {
    describe_mapping(p, out, size);
  }
}

// ---- of live objects -----------------------------------------------------------------------------------------------------

// The bytes asked for the live object that begins at p; 0: there is none.
std::size_t Heap::checked_size(const void* p) const {
  const FoundObject found = find_object(p);
  if (found.record == nullptr) return 0;
  const ObjectWord word = found.record->load();
  return word.state() == ObjectState::kLive && found.object(word) == p ? word.size() : 0;
}

// A new object, always: who keeps the old address is found out.
void* Heap::checked_realloc(void* p, std::size_t size, std::size_t align) {
  const std::size_t old_size = checked_size(p);
  if (old_size == 0) {
    checked_free(p, {});  // says why
    return nullptr;
  }
  void* const moved = alloc_with(size, align, 0);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, p, std::min(size, old_size));
  checked_free(p, {});
  return moved;
}

Error Heap::pin(const void* p) {
  if (checker_ == nullptr) return {};
  const FoundObject found = find_object(p);
  const ObjectWord word = found.record != nullptr ? found.record->load() : ObjectWord{};
  if (word.state() != ObjectState::kLive || found.object(word) > p) {
    return make_error(ErrorCode::kInvalid, "%p is in no object of this heap", p);
  }
  found.record->died.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Error Heap::unpin(const void* p) {
  if (checker_ == nullptr) return {};
  const FoundObject found = find_object(p);
  const ObjectWord word = found.record != nullptr ? found.record->load() : ObjectWord{};
  if (word.state() != ObjectState::kLive || found.object(word) > p) {
    return make_error(ErrorCode::kInvalid, "%p is in no object of this heap", p);
  }
  std::uint64_t pins = found.record->pins();
  while (pins != 0 && !found.record->died.compare_exchange_weak(pins, pins - 1, std::memory_order_relaxed)) {
  }
  if (pins != 0) return {};
  count_misuse();
  report::not_pinned(config_.misuse, describe(MisuseKind::kNotPinned, found, word, p, {}));
  return make_error(ErrorCode::kInvalid, "%p is not pinned", p);
}

}  // namespace fastmem::core
