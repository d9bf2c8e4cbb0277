// SPDX-License-Identifier: BSD-3-Clause
// core/named_heaps.h -- floor 2 (core). This process's heaps that have a name, and whose an address is.
// Threads:   looking up takes no lock. A heap is found until forget_name() returns; whoever destroys it makes sure that
//            nobody uses it any more, as of any heap.
#pragma once

#include "platform/result.h"

namespace fastmem::core {

class Heap;

inline constexpr unsigned kMostNamedHeaps = 64;
inline constexpr unsigned kLongestHeapName = 31;  // characters

// kInvalid: no name, or one too long; kExists: another heap has it; kNoSpace: there are kMostNamedHeaps.
Error check_heap_name(const char* name);
Error name_heap(Heap* heap, const char* name);
void forget_name(const Heap* heap);

// nullptr: none.
Heap* named_heap(const char* name);
bool has_name(const Heap* heap);
Heap* named_heap_of(const void* p);  // the one whose memory the address is in

}  // namespace fastmem::core
