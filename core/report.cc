// SPDX-License-Identifier: BSD-3-Clause
#include "core/report.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/report_lines.h"
#include "platform/log.h"

namespace fastmem::core::report {
namespace {

void finish(Misuse then, const MisuseReport& r) {
  call_back(r);
  if (then == Misuse::kAbort) std::abort();
}

// Where a pointer stood in a bulk free; nothing for a single one.
struct Place {
  explicit Place(const MisuseReport& r) {
    if (r.count != 0) std::snprintf(text, sizeof(text), " (pointer %zu of %zu in a bulk)", r.index, r.count);
  }
  char text[64] = "";
};

MisuseReport of(MisuseKind kind, const void* p, Home home = {0, kAnyNode}) {
  MisuseReport r;
  r.kind = kind;
  r.address = p;
  r.class_size = home.class_size;
  r.node = home.node;
  return r;
}

// The byte of an object that was written, in words: n bytes before its start or behind its end.
std::size_t distance(const MisuseReport& r) {
  return static_cast<std::size_t>(r.damage < 0 ? -r.damage : r.damage - static_cast<std::ptrdiff_t>(r.size) + 1);
}

}  // namespace

void foreign_free(Misuse then, const void* p) {
  log(LogLevel::kError, "foreign pointer freed: %p is not an object of this heap", p);
  finish(then, of(MisuseKind::kForeignFree, p));
}

void double_free(Misuse then, const void* p, Home home) {
  log(LogLevel::kError, "double free: %p, class %zu, node %u, was free already", p, home.class_size,
      unsigned{home.node.rep});
  finish(then, of(MisuseKind::kDoubleFree, p, home));
}

void inner_free(Misuse then, const void* p, Home home) {
  log(LogLevel::kError, "inner pointer freed: %p lies inside an object of class %zu, node %u", p, home.class_size,
      unsigned{home.node.rep});
  finish(then, of(MisuseKind::kInnerFree, p, home));
}

void wrong_class_free(Misuse then, const void* p, Home freed_as, Home home) {
  log(LogLevel::kError, "freed with a wrong size or handle: %p as class %zu, node %u; it is of class %zu, node %u", p,
      freed_as.class_size, unsigned{freed_as.node.rep}, home.class_size, unsigned{home.node.rep});
  finish(then, of(MisuseKind::kWrongClass, p, home));
}

void lost_strays(Misuse then, unsigned count) {
  log(LogLevel::kError, "%u more misused pointers in one drain: their memory stays out of use", count);
  MisuseReport r;
  r.kind = MisuseKind::kLost;
  r.claimed = count;
  finish(then, r);
}

void wrong_size(Misuse then, const void* p, std::size_t claimed, Home home) {
  log(LogLevel::kError, "freed with a wrong size: %p as %zu bytes; it is of class %zu, node %u", p, claimed,
      home.class_size, unsigned{home.node.rep});
  MisuseReport r = of(MisuseKind::kWrongSize, p, home);
  r.claimed = claimed;
  finish(then, r);
}

void wrong_handle(Misuse then, const void* p, std::size_t claimed, Home home) {
  log(LogLevel::kError, "freed with a wrong handle: %p as one of class %zu; it is of class %zu, node %u", p, claimed,
      home.class_size, unsigned{home.node.rep});
  MisuseReport r = of(MisuseKind::kWrongHandle, p, home);
  r.claimed = claimed;
  finish(then, r);
}

void write_after_free(Misuse then, const void* at, std::ptrdiff_t offset, Home home) {
  log(LogLevel::kError, "written after it was freed: %p, byte %td of an object of class %zu, node %u", at, offset,
      home.class_size, unsigned{home.node.rep});
  MisuseReport r = of(MisuseKind::kWriteAfterFree, at, home);
  r.object = static_cast<const std::byte*>(at) - offset;
  r.damage = offset;
  finish(then, r);
}

void written_guard(Misuse then, const void* at, Home home) {
  log(LogLevel::kError, "memory between slabs was written: %p, behind or before objects of class %zu, node %u", at,
      home.class_size, unsigned{home.node.rep});
  finish(then, of(MisuseKind::kWrittenGuard, at, home));
}

void written_magazine(Misuse then, const void* at, Home home) {
  log(LogLevel::kError,
      "the heap's own books were written: %p, in a magazine of class %zu, node %u; its object is lost", at,
      home.class_size, unsigned{home.node.rep});
  finish(then, of(MisuseKind::kWrittenBooks, at, home));
}

void damaged_books(const char* what, const void* where) {
  log(LogLevel::kError, "the heap's books are damaged: %s (%p)", what, where);
}

// ---- of checked heaps ------------------------------------------------------------------------------------------------

void foreign_free(Misuse then, const MisuseReport& r, const char* what_is_there) {
  log(LogLevel::kError, "foreign pointer freed: %p is not an object of this heap; %s%s", r.address, what_is_there,
      Place(r).text);
  tell_history(r);
  finish(then, r);
}

void double_free(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "double free: %p, %zu bytes, was free already%s", r.address, r.size, Place(r).text);
  tell_history(r);
  finish(then, r);
}

void inner_free(Misuse then, const MisuseReport& r) {
  const auto offset = static_cast<const std::byte*>(r.address) - static_cast<const std::byte*>(r.object);
  log(LogLevel::kError, "inner pointer freed: %p is %td bytes from the start of the object %p of %zu bytes%s",
      r.address, offset, r.object, r.size, Place(r).text);
  tell_history(r);
  finish(then, r);
}

void wrong_size(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "freed with a wrong size: %p as %zu bytes, it has %zu%s", r.address, r.claimed, r.size,
      Place(r).text);
  tell_history(r);
  finish(then, r);
}

void wrong_handle(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "freed with a wrong handle: %p as one of class %zu, it has %zu bytes%s", r.address, r.claimed,
      r.size, Place(r).text);
  tell_history(r);
  finish(then, r);
}

void overrun(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "overrun: %p, %zu bytes: byte %zu behind its end was written%s", r.object, r.size, distance(r),
      Place(r).text);
  tell_history(r);
  finish(then, r);
}

void underrun(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "underrun: %p, %zu bytes: byte %zu before its start was written%s", r.object, r.size,
      distance(r), Place(r).text);
  tell_history(r);
  finish(then, r);
}

void write_after_free(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "write after free: %p, %zu bytes: its byte %td was written after it was freed", r.object,
      r.size, r.damage);
  tell_history(r);
  finish(then, r);
}

void pinned_free(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "freed while lent to a device: %p, %zu bytes, pinned %zu times%s", r.address, r.size, r.claimed,
      Place(r).text);
  tell_history(r);
  finish(then, r);
}

void not_pinned(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "unpinned, but not pinned: %p, %zu bytes", r.address, r.size);
  tell_history(r);
  finish(then, r);
}

void dead_heap(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "heap used after it was destroyed: heap %p", r.heap);
  tell_history(r);
  finish(then, r);
}

void no_heap_yet(const MisuseReport& r) {
  log(LogLevel::kError, "heap used before there is one");
  tell_history(r);
  finish(Misuse::kReport, r);
}

void put_twice(const char* mempool, const void* p) {
  log(LogLevel::kError, "double put: %p is in mempool %s already", p, mempool);
  finish(Misuse::kReport, of(MisuseKind::kDoubleFree, p));
}

void strange_put(const char* mempool, const void* p) {
  log(LogLevel::kError, "foreign pointer put: %p is not an object of mempool %s", p, mempool);
  finish(Misuse::kReport, of(MisuseKind::kForeignFree, p));
}

void leaks(const Heap* heap, TraceTotals& totals, const Checker& checker) {
  constexpr std::size_t kTold = 50;
  const auto line = [](const char* what, const TraceTotals::Group& g) {
    log(LogLevel::kError, "%s%llu objects, %llu bytes", what, static_cast<unsigned long long>(g.objects),
        static_cast<unsigned long long>(g.bytes));
  };
  log(LogLevel::kError, "leaks: %llu objects of %llu bytes in all were not freed; heap %p",
      static_cast<unsigned long long>(totals.all().objects), static_cast<unsigned long long>(totals.all().bytes),
      static_cast<const void*>(heap));
  const std::span<const TraceTotals::Group> groups = totals.sort();
  for (const TraceTotals::Group& g : groups.first(std::min(groups.size(), kTold))) {
    line("  ", g);
    tell_trace("allocated", checker.frames(g.trace));
  }
  if (groups.size() > kTold) log(LogLevel::kError, "  and %zu more places", groups.size() - kTold);
  if (totals.others().objects != 0) line("  of other places: ", totals.others());
  MisuseReport r;
  r.kind = MisuseKind::kLeak;
  r.heap = heap;
  r.count = totals.all().objects;
  r.size = totals.all().bytes;
  char text[600];
  machine_line(r, text, sizeof(text));
  log(LogLevel::kError, "  %s", text);
  call_back(r);
}

void access_after_free(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "access after free: %p, byte %td of the object %p of %zu bytes", r.address, r.damage, r.object,
      r.size);
  tell_history(r);
  finish(then, r);
}

void access_beyond(Misuse then, const MisuseReport& r) {
  log(LogLevel::kError, "access out of bounds: %p, byte %td of the object %p of %zu bytes", r.address, r.damage,
      r.object, r.size);
  tell_history(r);
  finish(then, r);
}

}  // namespace fastmem::core::report
