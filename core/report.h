// SPDX-License-Identifier: BSD-3-Clause
// core/report.h -- floor 2 (core). The caller's bugs: one function for each message, fixed text with address, class and
// node. They allocate nothing and take no lock; whether the program goes on is the heap's configuration.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/checker.h"
#include "core/misuse.h"
#include "core/trace_totals.h"
#include "platform/types.h"

namespace fastmem::core {

class Heap;

// What happens after a misuse was reported.
enum class Misuse : std::uint8_t { kReport, kAbort };

// Where an object belongs, for people.
struct Home {
  std::size_t class_size;
  NodeId node;
};

namespace report {

void foreign_free(Misuse then, const void* p);
void double_free(Misuse then, const void* p, Home home);
void inner_free(Misuse then, const void* p, Home home);
void wrong_class_free(Misuse then, const void* p, Home freed_as, Home home);
// Not the caller's bug, as far as anybody knows: a word of the heap's own books is not what it was.
void damaged_books(const char* what, const void* where);
void lost_strays(Misuse then, unsigned count);
// Of hardened heaps.
void wrong_size(Misuse then, const void* p, std::size_t claimed, Home home);
void wrong_handle(Misuse then, const void* p, std::size_t claimed, Home home);
void write_after_free(Misuse then, const void* at, std::ptrdiff_t offset, Home home);
void written_guard(Misuse then, const void* at, Home home);
void written_magazine(Misuse then, const void* at, Home home);

// Those of checked heaps, which know the object: the sentence, then lines about where it comes from, then one for
// machines.
void foreign_free(Misuse then, const MisuseReport& r, const char* what_is_there);
void double_free(Misuse then, const MisuseReport& r);
void inner_free(Misuse then, const MisuseReport& r);
void wrong_size(Misuse then, const MisuseReport& r);
void wrong_handle(Misuse then, const MisuseReport& r);
void overrun(Misuse then, const MisuseReport& r);
void underrun(Misuse then, const MisuseReport& r);
void write_after_free(Misuse then, const MisuseReport& r);
void pinned_free(Misuse then, const MisuseReport& r);
void not_pinned(Misuse then, const MisuseReport& r);
void dead_heap(Misuse then, const MisuseReport& r);
void no_heap_yet(const MisuseReport& r);
// Of mempools whose objects are counted in and out.
void put_twice(const char* mempool, const void* p);
void strange_put(const char* mempool, const void* p);
// At the end: a line for each call site, largest first.
void leaks(const Heap* heap, TraceTotals& totals, const Checker& checker);
// What the processor refused, as a fault: the program cannot go on from there.
void access_after_free(Misuse then, const MisuseReport& r);
void access_beyond(Misuse then, const MisuseReport& r);

}  // namespace report

}  // namespace fastmem::core
