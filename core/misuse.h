// SPDX-License-Identifier: BSD-3-Clause
// core/misuse.h -- floor 2 (core). A misuse that was noticed, as data: what a program's own handler gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/trace_depot.h"
#include "platform/build.h"
#include "platform/types.h"

namespace fastmem::core {

enum class MisuseKind : std::uint8_t {
  kForeignFree,      // not an object of this heap
  kDoubleFree,       // was free already
  kInnerFree,        // the address is inside of an object
  kWrongClass,       // freed with a size or handle of another class; noticed later
  kWrongSize,        // freed with another size than it has
  kWrongHandle,      // freed with another handle than its own
  kOverrun,          // bytes behind it were written
  kUnderrun,         // bytes before it were written
  kWriteAfterFree,   // written after it was freed
  kPinnedFree,       // freed while a device has it
  kNotPinned,        // a device gives back what it does not have
  kAccessAfterFree,  // touched after it was freed: a fault
  kAccessBeyond,     // touched before its start or behind its end: a fault
  kDeadHeap,         // a heap that is gone, or not there yet, was used
  kLeak,             // not freed at the end
  kLost,             // more misused pointers than one drain can name
  kWrittenGuard,     // bytes between slabs were written
  kWrittenBooks,     // what the heap itself keeps was written
};

// "double-free" and so on: what the machine-readable line says.
const char* name_of(MisuseKind kind);

struct MisuseReport {
  MisuseKind kind = MisuseKind::kForeignFree;
  const void* address = nullptr;  // what was passed, or touched
  const void* object = nullptr;   // where the object concerned begins; nullptr: not known
  std::size_t size = 0;           // what was asked for it
  std::size_t class_size = 0;     // of what holds it, guards counted; 0: it has no class
  NodeId node = kAnyNode;
  const void* heap = nullptr;
  std::ptrdiff_t damage = 0;            // of writes: from the object's start, in bytes
  std::size_t claimed = 0;              // of wrong sizes and handles: what the caller said. Of pins: how many
  std::size_t index = 0;                // in a bulk free ...
  std::size_t count = 0;                // ... of so many; 0: not a bulk
  std::span<const std::byte> readable;  // the memory with the damage in it; empty: not to be looked at
  bool has_history = false;             // whether all below is known
  SlotId allocated_by{};                // 0: a thread without caches of its own
  SlotId freed_by{};
  SlotId noticed_by{};
  bool was_freed = false;
  std::uint64_t allocated_ago = 0;  // ns
  std::uint64_t freed_ago = 0;
  // Return addresses, innermost first.
  std::span<void* const> alloc_trace;
  std::span<void* const> free_trace;
  void* noticed_trace[kMostTraceFrames] = {};
  unsigned noticed_depth = 0;
};

// Told after the lines were logged, and before the program is aborted where the heap does that. On the failing thread,
// maybe in a signal handler: it may look and write, and call no heap. nullptr: nobody. One for the process.
using MisuseCallback = void (*)(const MisuseReport& report, void* context);
FASTMEM_EXPORT void set_misuse_callback(MisuseCallback callback, void* context);

}  // namespace fastmem::core
