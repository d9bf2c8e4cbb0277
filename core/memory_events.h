// SPDX-License-Identifier: BSD-3-Clause
// core/memory_events.h -- floor 2 (core). Who is told when memory comes and goes, so that it can be mapped for a device.
// What:      a listener hears of every region after it came and before it goes; of those that are held already when it is
//            added, and of those that are still held when it is removed. While a heap has a listener its memory comes and
//            goes in whole regions: few, coarse and stable.
// Threads:   one call at a time for a node, on the thread that makes the heap grow or shrink, and other threads go on
//            with what the heap has. A listener must not call the heap: it is refused with kReentered.
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
  std::span<const Iova> iovas;  // one for each page; empty: not asked for
  int fd = -1;                  // a file whose bytes from fd_offset on these are; -1: there is none to map
  std::uint64_t fd_offset = 0;
};

struct MemoryListener {
  const char* name = "";  // for messages, and to remove it: unique in its heap, at most 31 characters
  void* context = nullptr;
  bool wants_iovas = false;  // where none can be told, growth fails with the reason

  // Each may be nullptr. An error of came(), or of may_grow() before the backing is asked, refuses the growth: its
  // sentence is what the allocation that wanted the memory fails with.
  Error (*came)(const MemoryEvent& memory, void* context) = nullptr;
  void (*goes)(const MemoryEvent& memory, void* context) = nullptr;
  Error (*may_grow)(NodeId node, Bytes size, Bytes held, void* context) = nullptr;
};

}  // namespace fastmem::core
