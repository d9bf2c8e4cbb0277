// SPDX-License-Identifier: BSD-3-Clause
// tools/trace/objects.h -- Q: which object does an event speak of? Turns addresses, which programs use again and again,
// into objects. Tolerates what a trace cannot know: frees of objects that are older than the trace are dropped, an
// address handed out twice means that a free was not seen.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tools/trace/mapped_memory.h"
#include "tools/trace/reader.h"

namespace fastmem::tools {

enum class OpKind : std::uint8_t { kAlloc, kCalloc, kAligned, kFree, kRealloc };

struct ObjectOp {
  OpKind kind = OpKind::kAlloc;
  std::uint8_t align_log2 = 0;
  std::uint32_t thread = 0;
  std::uint32_t object = 0;    // a free object's number is used again, first by the thread that freed it
  std::uint64_t size = 0;      // kFree: what was freed
  std::uint64_t old_size = 0;  // kRealloc
};

class ObjectTracker {
 public:
  explicit ObjectTracker(std::uint32_t threads);

  // Writes what the event means to ops, at most two; returns how many.
  std::size_t take(const TraceEvent& event, ObjectOp (&ops)[2]);

  std::uint32_t objects() const { return numbers_; }  // numbers given out: at least as many as ever lived at once
  std::uint64_t live_bytes() const { return live_bytes_; }
  std::uint64_t live_objects() const { return live_objects_; }
  std::uint64_t unknown_frees() const { return unknown_frees_; }
  std::uint64_t lost_frees() const { return lost_frees_; }

 private:
  struct Entry {
    std::uint64_t address = 0;  // 0: empty
    std::uint64_t size = 0;
    std::uint32_t object = 0;
  };
  // A realloc between its two events.
  struct Pending {
    Entry entry;
    bool known = false;
  };

  std::size_t slot_of(std::uint64_t address) const;
  Entry* find(std::uint64_t address);
  void insert(const Entry& entry);
  Entry erase(Entry* entry);
  void grow();
  std::uint32_t new_number(std::uint32_t thread);
  ObjectOp born(const TraceEvent& event, OpKind kind);
  ObjectOp died(const TraceEvent& event, const Entry& entry);
  std::size_t end_realloc(const TraceEvent& event, ObjectOp (&ops)[2]);

  MappedVector<Entry> table_;  // open addressing, linear, a power of two
  std::size_t filled_ = 0;
  MappedVector<Pending> pending_;                   // by thread
  MappedVector<MappedVector<std::uint32_t>> free_;  // by thread
  std::uint32_t richest_ = 0;                       // the thread with many free numbers, when there is one
  std::uint32_t numbers_ = 0;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t live_objects_ = 0;
  std::uint64_t unknown_frees_ = 0;
  std::uint64_t lost_frees_ = 0;
};

}  // namespace fastmem::tools
