// SPDX-License-Identifier: BSD-3-Clause
#include "tools/trace/objects.h"

namespace fastmem::tools {
namespace {

constexpr std::size_t kFirstTable = 4096;
// A thread that only allocates may take numbers from one that only frees, once that one has this many.
constexpr std::size_t kManyFree = std::size_t{1} << 16;

OpKind kind_of(Event event) {
  switch (event) {
    case Event::kCalloc:
      return OpKind::kCalloc;
    case Event::kAligned:
      return OpKind::kAligned;
    default:
      return OpKind::kAlloc;
  }
}

}  // namespace

ObjectTracker::ObjectTracker(std::uint32_t threads) : table_(kFirstTable), pending_(threads), free_(threads) {}

std::size_t ObjectTracker::take(const TraceEvent& event, ObjectOp (&ops)[2]) {
  Pending& pending = pending_[event.thread];
  std::size_t n = 0;
  if (event.event == Event::kReallocEnd) return end_realloc(event, ops);
  if (pending.known) {  // never ended: the realloc was a free
    ops[n++] = died(event, pending.entry);
    pending = {};
  }
  Entry* const entry = find(event.address);
  switch (event.event) {
    case Event::kFree:
      if (entry != nullptr) {
        ops[n++] = died(event, erase(entry));
      } else {
        ++unknown_frees_;
      }
      break;
    case Event::kReallocBegin:
      if (entry != nullptr) pending = {erase(entry), true};
      break;
    default:
      if (entry != nullptr && n == 0) ops[n++] = died(event, erase(entry)), ++lost_frees_;
      if (find(event.address) == nullptr) ops[n++] = born(event, kind_of(event.event));
  }
  return n;
}

std::size_t ObjectTracker::end_realloc(const TraceEvent& event, ObjectOp (&ops)[2]) {
  Pending& pending = pending_[event.thread];
  std::size_t n = 0;
  if (event.size == 0) {  // failed: the object stays
    if (pending.known && find(pending.entry.address) == nullptr) insert(pending.entry);
    pending = {};
    return 0;
  }
  Entry* const entry = find(event.address);
  if (entry != nullptr) ops[n++] = died(event, erase(entry)), ++lost_frees_;
  if (!pending.known) {
    ops[n++] = born(event, OpKind::kAlloc);
    return n;
  }
  ObjectOp& op = ops[n++];
  op = {.kind = OpKind::kRealloc,
        .align_log2 = 0,
        .thread = event.thread,
        .object = pending.entry.object,
        .size = event.size,
        .old_size = pending.entry.size};
  live_bytes_ += event.size - pending.entry.size;
  insert({event.address, event.size, pending.entry.object});
  pending = {};
  return n;
}

ObjectOp ObjectTracker::born(const TraceEvent& event, OpKind kind) {
  const std::uint32_t object = new_number(event.thread);
  insert({event.address, event.size, object});
  live_bytes_ += event.size;
  ++live_objects_;
  return {.kind = kind,
          .align_log2 = event.align_log2,
          .thread = event.thread,
          .object = object,
          .size = event.size,
          .old_size = 0};
}

ObjectOp ObjectTracker::died(const TraceEvent& event, const Entry& entry) {
  MappedVector<std::uint32_t>& mine = free_[event.thread];
  mine.push_back(entry.object);
  if (mine.size() > kManyFree) richest_ = event.thread;
  live_bytes_ -= entry.size;
  --live_objects_;
  return {.kind = OpKind::kFree,
          .align_log2 = 0,
          .thread = event.thread,
          .object = entry.object,
          .size = entry.size,
          .old_size = 0};
}

std::uint32_t ObjectTracker::new_number(std::uint32_t thread) {
  MappedVector<std::uint32_t>* list = &free_[thread];
  if (list->empty() && free_[richest_].size() > kManyFree) {
    // The oldest ones, half of them: their frees are long past when they are needed again.
    MappedVector<std::uint32_t>& rich = free_[richest_];
    const auto half = rich.begin() + static_cast<std::ptrdiff_t>(rich.size() / 2);
    list->assign(rich.begin(), half);
    rich.erase(rich.begin(), half);
  }
  if (list->empty()) return numbers_++;
  const std::uint32_t number = list->back();
  list->pop_back();
  return number;
}

std::size_t ObjectTracker::slot_of(std::uint64_t address) const {
  return static_cast<std::size_t>((address * 0x9e3779b97f4a7c15u) >> 20) & (table_.size() - 1);
}

ObjectTracker::Entry* ObjectTracker::find(std::uint64_t address) {
  if (address == 0) return nullptr;
  for (std::size_t i = slot_of(address); table_[i].address != 0; i = (i + 1) & (table_.size() - 1)) {
    if (table_[i].address == address) return &table_[i];
  }
  return nullptr;
}

void ObjectTracker::insert(const Entry& entry) {
  if (2 * (filled_ + 1) > table_.size()) grow();
  std::size_t i = slot_of(entry.address);
  while (table_[i].address != 0) i = (i + 1) & (table_.size() - 1);
  table_[i] = entry;
  if (entry.address != 0) ++filled_;
}

// Closes the gap, so that no search stops early.
ObjectTracker::Entry ObjectTracker::erase(Entry* entry) {
  const Entry erased = *entry;
  const std::size_t mask = table_.size() - 1;
  auto hole = static_cast<std::size_t>(entry - table_.data());
  for (std::size_t i = (hole + 1) & mask; table_[i].address != 0; i = (i + 1) & mask) {
    const std::size_t home = slot_of(table_[i].address);
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      table_[hole] = table_[i];
      hole = i;
    }
  }
  table_[hole] = {};
  --filled_;
  return erased;
}

void ObjectTracker::grow() {
  MappedVector<Entry> old(table_.size() * 2);
  old.swap(table_);
  filled_ = 0;
  for (const Entry& entry : old) {
    if (entry.address != 0) insert(entry);
  }
}

}  // namespace fastmem::tools
