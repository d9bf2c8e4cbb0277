// SPDX-License-Identifier: BSD-3-Clause
// core/memory_events.h -- floor 2 (core). Who is told when memory comes and goes, so that it can be mapped for a device.
// What:      a listener hears of every region after it came and before it goes; of those that are held already when it
//            is added, and of those that are still held when it is removed. While a heap has a listener its memory comes
//            and goes in whole regions: few, coarse and stable. Several listeners hear came() in the order in which they
//            were added, goes() in the reverse.
// Threads:   one call at a time for a heap, on the thread that makes it grow or shrink. Threads that find objects go on;
//            those that need memory wait. A callback must not call any heap of the process: alloc, free and everything
//            else that takes a lock is refused with kReentered, and a free() leaves the object with its caller. Nor may
//            it fork, or wait for a thread that allocates.
// Processes: the child of a fork has no listeners: what they mapped is the parent's. They are not told.
#pragma once

#include <cstdint>
#include <span>

#include "platform/result.h"
#include "platform/types.h"

namespace fastmem::core {

struct MemoryEvent {
  void* base = nullptr;
  Bytes size;
  Bytes page_size;
  NodeId node;
  std::span<const Iova> iovas;  // one for each page, the same until it goes; empty: not asked for
  int fd = -1;                  // a file whose bytes from fd_offset on these are; -1: there is none to map
  std::uint64_t fd_offset = 0;
};

struct MemoryListener {
  const char* name = "";  // for messages, and to remove it: unique in its heap, 1 to 31 characters. It is copied
  void* context = nullptr;
  bool wants_iovas = false;  // where none can be told, growth fails with the reason

  // Each may be nullptr. An error of came(), or of may_grow() before the backing is asked, refuses the growth: its
  // sentence is what the allocation that wanted the memory fails with. Who heard came() before hears goes().
  Error (*came)(const MemoryEvent& memory, void* context) = nullptr;
  void (*goes)(const MemoryEvent& memory, void* context) = nullptr;
  Error (*may_grow)(NodeId node, Bytes size, Bytes held, void* context) = nullptr;
  // The last call, once it was removed or its heap destroyed, with none of the heap's locks held.
  void (*removed)(void* context) = nullptr;
};

}  // namespace fastmem::core
