// SPDX-License-Identifier: BSD-3-Clause
#include "core/checker.h"

#include <cstring>
#include <new>

namespace fastmem::core {

// Without memory for traces there are none.
Checker::Checker(const CheckOptions& options, Arena* arena)
    : options_(options),
      arena_(arena),
      budget_(options.quarantine),
      large_(arena, nullptr, options.large.rep),
      takes_traces_(false),
      depot_(nullptr, {}),
      cache_(nullptr, nullptr) {
  if (options.traces.rep == 0) return;
  void* const traces = arena->make(options.traces);
  void* const table = arena->make(TraceCache::table_size());
  if (traces == nullptr || table == nullptr) return;
  ::new (&depot_) TraceDepot(traces, options.traces);
  ::new (&cache_) TraceCache(table, &depot_);
  takes_traces_ = true;
}

ObjectRecord* Checker::open_records(Extent& head, const SizeClass& c) {
  const LockGuard guard(mutex_);
  if (ObjectRecord* const made = records(head)) return made;  // another thread was first
  const Bytes bytes = records_bytes(c);
  void* const piece = arena_->take(bytes);
  if (piece == nullptr) return nullptr;
  std::memset(piece, 0, bytes.rep);
  head.records.store(arena_->number_of(piece), std::memory_order_release);
  return static_cast<ObjectRecord*>(piece);
}

ObjectRecord* Checker::open_record(Extent& head) {
  void* const piece = arena_->take(Bytes{sizeof(ObjectRecord)});
  if (piece == nullptr) return nullptr;
  std::memset(piece, 0, sizeof(ObjectRecord));
  head.records.store(arena_->number_of(piece), std::memory_order_release);
  return static_cast<ObjectRecord*>(piece);
}

Quarantine* Checker::open_quarantine(SlotId slot) {
  const LockGuard guard(mutex_);
  if (Quarantine* const made = existing_quarantine(slot.rep)) return made;
  void* const piece = arena_->make(Bytes{sizeof(Quarantine)});
  if (piece == nullptr) return nullptr;
  auto* const made = ::new (piece) Quarantine(arena_, &budget_, budget_.step());
  quarantines_[slot.rep].store(made, std::memory_order_release);
  return made;
}

std::ptrdiff_t Checker::guard_damage(const std::byte* object, std::size_t size, const std::byte* cell_end) {
  const std::size_t before = guard::last_damage(object - guard::kFront, guard::kFront, guard::kGuardByte);
  if (before != 0) return -static_cast<std::ptrdiff_t>(before);
  const std::size_t most = behind(object, size, cell_end);
  const std::size_t intact = guard::first_damage(object + size, most, guard::kGuardByte);
  return intact == most ? kIntact : static_cast<std::ptrdiff_t>(size + intact);
}

}  // namespace fastmem::core
