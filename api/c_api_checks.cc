// SPDX-License-Identifier: BSD-3-Clause
// api/c_api_checks.cc -- floor 3 (api). fastmem_checks.h: what checked heaps know and tell.
#include <atomic>
#include <cerrno>

#include "api/c_api.h"

using namespace fastmem;         // NOLINT: the bodies of fastmem.h
using namespace fastmem::c_api;  // NOLINT

static_assert(FASTMEM_WRITTEN_BOOKS == static_cast<int>(core::MisuseKind::kWrittenBooks));
static_assert(FASTMEM_LOST == static_cast<int>(core::MisuseKind::kLost));
static_assert(FASTMEM_OVERRUN == static_cast<int>(core::MisuseKind::kOverrun));

namespace {

// The caller's function; its context travels beside it. relaxed: core's own store publishes both.
std::atomic<fastmem_misuse_t> g_callback{nullptr};

void tell(const core::MisuseReport& r, void* context) {
  const fastmem_misuse_t callback = g_callback.load(std::memory_order_relaxed);
  if (callback == nullptr) return;
  fastmem_misuse_report_t out = {};
  out.struct_size = sizeof(out);
  out.version = FASTMEM_STRUCT_VERSION;
  out.kind = static_cast<uint32_t>(r.kind);
  out.node = r.node == kAnyNode ? -1 : r.node.rep;
  out.address = r.address;
  out.object = r.object;
  out.size = r.size;
  out.class_size = r.class_size;
  out.heap = r.heap;
  out.damage = r.damage;
  out.claimed = r.claimed;
  out.index = r.index;
  out.count = r.count;
  out.allocated_by = r.allocated_by.rep;
  out.freed_by = r.freed_by.rep;
  out.noticed_by = r.noticed_by.rep;
  out.was_freed = r.was_freed ? 1 : 0;
  out.allocated_ago = r.allocated_ago;
  out.freed_ago = r.freed_ago;
  out.alloc_trace = r.alloc_trace.data();
  out.alloc_depth = r.alloc_trace.size();
  out.free_trace = r.free_trace.data();
  out.free_depth = r.free_trace.size();
  out.noticed_trace = r.noticed_trace;
  out.noticed_depth = r.noticed_depth;
  callback(&out, context);
}

int check(fastmem_heap_t* heap, fastmem_check_t* out, bool exact) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  const core::CheckReport r = h->check(exact);
  fastmem_check_t c = {};
  c.findings = r.findings;
  c.slabs = r.slabs;
  c.objects = r.objects;
  c.extents = r.extents;
  c.magazines = r.magazines;
  c.caches = r.caches;
  c.map_entries = r.map_entries;
  c.regions = r.regions;
  c.busy = r.busy;
  c.running = r.running;
  c.unmarked = r.unmarked;
  c.told = r.told;
  for (unsigned i = 0; i < r.told; ++i) {
    c.what[i] = r.first[i].what;
    c.where[i] = r.first[i].where;
  }
  const int code = fill(out, c);
  return code != 0 || r.ok() ? code : -EIO;
}

}  // namespace

const char* fastmem_misuse_name(unsigned int kind) {
  return kind <= FASTMEM_LOST ? core::name_of(static_cast<core::MisuseKind>(kind)) : "unknown";
}

void fastmem_on_misuse(fastmem_misuse_t callback, void* context) {
  g_callback.store(callback, std::memory_order_relaxed);
  core::set_misuse_callback(callback != nullptr ? tell : nullptr, context);
}

int fastmem_pin(fastmem_heap_t* heap, const void* ptr) {
  core::Heap* const h = unwrap(heap);
  return negative(h != nullptr ? h->pin(ptr) : last_error());
}

int fastmem_unpin(fastmem_heap_t* heap, const void* ptr) {
  core::Heap* const h = unwrap(heap);
  return negative(h != nullptr ? h->unpin(ptr) : last_error());
}

ssize_t fastmem_examine(fastmem_heap_t* heap) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  return static_cast<ssize_t>(h->examine());
}

ssize_t fastmem_leaks(fastmem_heap_t* heap, fastmem_leak_t* leaks, size_t max) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  if (leaks == nullptr && max != 0) return negative(fail(ErrorCode::kInvalid, "no array for %zu places", max));
  if (!h->is_checked()) return negative(fail(ErrorCode::kUnsupported, "this heap is not checked in full"));
  size_t places = 0;
  const auto note = [&](const core::TraceTotals::Group& g) {
    if (places++ >= max) return;
    const std::span<void* const> trace = h->frames(g.trace);
    leaks[places - 1] = {g.objects, g.bytes, trace.data(), trace.size()};
  };
  const Error error = h->leaks([&](core::TraceTotals& totals) {
    for (const core::TraceTotals::Group& g : totals.sort()) note(g);
    if (totals.others().objects != 0) note(totals.others());
  });
  return error.ok() ? static_cast<ssize_t>(places) : negative(error);
}

int fastmem_check(fastmem_heap_t* heap, fastmem_check_t* out) { return check(heap, out, false); }

int fastmem_check_idle(fastmem_heap_t* heap, fastmem_check_t* out) { return check(heap, out, true); }
