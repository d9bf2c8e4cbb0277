// SPDX-License-Identifier: BSD-3-Clause
// core/heap_list.h -- floor 2 (core). This process's heaps: a thread that ends and a process that forks meet them all.
#pragma once

namespace fastmem::core {

class Heap;

void enlist(Heap* heap);
void delist(Heap* heap);
bool is_listed(const Heap* heap);
void each_listed_heap(void (*visit)(Heap& heap));  // with the list held: no heap comes or goes
Heap* listed_heap_of(const void* p);               // the one whose memory the address is in; nullptr: none

}  // namespace fastmem::core
