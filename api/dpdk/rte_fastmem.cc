// SPDX-License-Identifier: BSD-3-Clause
// api/dpdk/rte_fastmem.cc -- floor 3 (api). rte_fastmem.h: objects, handles, memory held.
#include <rte_errno.h>

#include "api/dpdk/rte_heap.h"

using namespace fastmem;        // NOLINT: the bodies of rte_fastmem.h
using namespace fastmem::dpdk;  // NOLINT

namespace {

static_assert(RTE_FASTMEM_F_ZERO == core::kZero);

// A handle is a class on a node, and in bit 0 whether that node was named. One comparison tells whether it may be one.
bool is_bin(const core::Heap& heap, rte_fastmem_handle_t handle) { return heap.in_range(unsigned{handle >> 1}); }
core::Handle bin_of(rte_fastmem_handle_t handle) { return core::Handle{static_cast<std::uint16_t>(handle >> 1)}; }
rte_fastmem_handle_t to_handle(core::Handle bin, bool named) { return unsigned{bin.rep} << 1 | (named ? 1 : 0); }
unsigned strictness(rte_fastmem_handle_t handle) { return (handle & 1) != 0 ? core::kStrict : 0; }

[[gnu::cold, gnu::noinline]] void* no_object() {
  rte_errno = to_rte_errno(last_error().code);
  return nullptr;
}
[[gnu::cold, gnu::noinline]] void* no_object(ErrorCode code) {
  rte_errno = to_rte_errno(code);
  return nullptr;
}
void* or_errno(void* p) { return p != nullptr ? p : no_object(); }
ErrorCode not_initialised() {
  core::Heap::absent.refuse_without_heap();
  return fail(ErrorCode::kNotReady, "rte_fastmem_init() has not been called");
}
ErrorCode unknown_flags(unsigned flags) { return fail(ErrorCode::kInvalid, "unknown flags %#x", flags); }
ErrorCode not_a_handle(rte_fastmem_handle_t handle) { return fail(ErrorCode::kInvalid, "not a handle: %#x", handle); }
bool known(unsigned flags) { return (flags & ~RTE_FASTMEM_F_ZERO) == 0; }

int negative(ErrorCode code) { return code == ErrorCode::kOk ? 0 : -to_rte_errno(code); }
int negative(const Error& error) {
  if (!error.ok()) set_last_error(error);
  return -to_rte_errno(error.code);
}

[[gnu::cold, gnu::noinline]] void* alloc_slow(core::Heap& heap, std::size_t size) {
  return or_errno(heap.alloc_slow(size));
}
[[gnu::cold, gnu::noinline]] void* halloc_slow(core::Heap& heap, rte_fastmem_handle_t handle) {
  return or_errno(heap.handle_alloc_slow(bin_of(handle), strictness(handle)));
}
[[gnu::cold, gnu::noinline]] ErrorCode hfree_slow(core::Heap& heap, core::Handle bin, void* p) {
  return heap.valid(bin) ? heap.handle_free_slow(bin, p) : heap.free_slow(p);  // the pointer knows better
}
[[gnu::cold, gnu::noinline]] ErrorCode free_slow(core::Heap& heap, void* p) { return heap.free_slow(p); }

[[gnu::noinline]] void* alloc_with(std::size_t size, std::size_t align, unsigned flags, int socket_id) {
  core::Heap& heap = rte_heap();
  if (heap.is_absent()) return no_object(not_initialised());
  if (!known(flags)) return no_object(unknown_flags(flags));
  const unsigned strict = socket_id == SOCKET_ID_ANY ? 0 : core::kStrict;
  return or_errno(heap.alloc_with(size, align, flags | strict, to_node(socket_id)));
}

[[gnu::cold, gnu::noinline]] void* halloc_with(rte_fastmem_handle_t handle, unsigned flags) {
  core::Heap& heap = rte_heap();
  if (heap.is_absent()) return no_object(not_initialised());
  if (!known(flags)) return no_object(unknown_flags(flags));
  if (!is_bin(heap, handle)) return no_object(not_a_handle(handle));
  return or_errno(heap.alloc_with(bin_of(handle), flags | strictness(handle)));
}

}  // namespace

// ---- coming and going ----------------------------------------------------------------------------------------------

int rte_fastmem_init(void) {
  bool existed = false;
  const Error error = make_rte_heap(existed);
  return existed ? -EBUSY : negative(error);
}

void rte_fastmem_deinit(void) { destroy_rte_heap(); }

// ---- objects -------------------------------------------------------------------------------------------------------
// The hot ones begin a cache line each: two of them in one make calls that follow each other slower.

[[gnu::aligned(64)]] void* rte_fastmem_alloc(size_t size, size_t align, unsigned int flags) {
  if ((align | flags) != 0) [[unlikely]]
    return alloc_with(size, align, flags, SOCKET_ID_ANY);
  return rte_heap().alloc_or(size, alloc_slow);
}

void* rte_fastmem_alloc_socket(size_t size, size_t align, unsigned int flags, int socket_id) {
  if ((align | flags) == 0 && socket_id == SOCKET_ID_ANY) return rte_heap().alloc_or(size, alloc_slow);
  return alloc_with(size, align, flags, socket_id);
}

[[gnu::aligned(64)]] void rte_fastmem_free(void* ptr) { rte_heap().free_or(ptr, free_slow); }

void* rte_fastmem_realloc(void* ptr, size_t size, size_t align) {
  if (ptr == nullptr) return rte_fastmem_alloc(size, align, 0);
  core::Heap& heap = rte_heap();
  if (heap.is_absent()) return no_object(not_initialised());
  if (size != 0) return or_errno(heap.realloc(ptr, size, align));
  const ErrorCode code = heap.free(ptr);
  return code == ErrorCode::kOk ? nullptr : no_object(code);
}

int rte_fastmem_alloc_bulk(void** ptrs, unsigned int n, size_t size, size_t align, unsigned int flags) {
  if ((align | flags) == 0) return negative(rte_heap().alloc_bulk(ptrs, n, size));
  return rte_fastmem_alloc_bulk_socket(ptrs, n, size, align, flags, SOCKET_ID_ANY);
}

int rte_fastmem_alloc_bulk_socket(void** ptrs, unsigned int n, size_t size, size_t align, unsigned int flags,
                                  int socket_id) {
  core::Heap& heap = rte_heap();
  if (heap.is_absent()) return negative(not_initialised());
  if (!known(flags)) return negative(unknown_flags(flags));
  const unsigned strict = socket_id == SOCKET_ID_ANY ? 0 : core::kStrict;
  return negative(heap.alloc_bulk(ptrs, n, size, align, flags | strict, to_node(socket_id)));
}

void rte_fastmem_free_bulk(void** ptrs, unsigned int n) { rte_heap().free_bulk(ptrs, n); }

// ---- handles -------------------------------------------------------------------------------------------------------

int rte_fastmem_hlookup(size_t size, size_t align, int socket_id, rte_fastmem_handle_t* handle) {
  core::Heap& heap = rte_heap();
  if (heap.is_absent()) return negative(not_initialised());
  if (handle == nullptr) return negative(fail(ErrorCode::kInvalid, "no place for the handle"));
  const Result<core::Handle> found = heap.handle(size, align, to_node(socket_id));
  if (!found.ok()) return negative(found.error());
  *handle = to_handle(found.value(), socket_id != SOCKET_ID_ANY);
  return 0;
}

[[gnu::aligned(64)]] void* rte_fastmem_halloc(rte_fastmem_handle_t handle, unsigned int flags) {
  core::Heap& heap = rte_heap();
  if (flags != 0 || !is_bin(heap, handle)) [[unlikely]]
    return halloc_with(handle, flags);
  return heap.alloc_or(bin_of(handle), [handle](core::Heap& h, core::Handle) { return halloc_slow(h, handle); });
}

int rte_fastmem_halloc_bulk(rte_fastmem_handle_t handle, void** ptrs, unsigned int n, unsigned int flags) {
  core::Heap& heap = rte_heap();
  if (flags == 0 && strictness(handle) == 0 && is_bin(heap, handle)) {
    return negative(heap.alloc_bulk(bin_of(handle), ptrs, n));
  }
  if (heap.is_absent()) return negative(not_initialised());
  if (!known(flags)) return negative(unknown_flags(flags));
  if (!is_bin(heap, handle)) return negative(not_a_handle(handle));
  return negative(heap.alloc_bulk(bin_of(handle), ptrs, n, flags | strictness(handle)));
}

[[gnu::aligned(64)]] void rte_fastmem_hfree(rte_fastmem_handle_t handle, void* ptr) {
  core::Heap& heap = rte_heap();
  if (is_bin(heap, handle)) [[likely]] {
    heap.free_or(bin_of(handle), ptr, hfree_slow);
  } else {
    heap.free(ptr);  // the pointer knows better
  }
}

void rte_fastmem_hfree_bulk(rte_fastmem_handle_t handle, void** ptrs, unsigned int n) {
  core::Heap& heap = rte_heap();
  if (is_bin(heap, handle) && heap.valid(bin_of(handle))) {
    heap.free_bulk(bin_of(handle), ptrs, n);
  } else {
    heap.free_bulk(ptrs, n);
  }
}

// ---- device addresses, memory held ---------------------------------------------------------------------------------

rte_iova_t rte_fastmem_virt2iova(const void* ptr) {
  core::Heap& heap = rte_heap();
  return heap.is_absent() ? RTE_BAD_IOVA : heap.iova_of(ptr).rep;
}

int rte_fastmem_reserve(size_t size, int socket_id) {
  core::Heap& heap = rte_heap();
  if (heap.is_absent()) return negative(not_initialised());
  return negative(heap.reserve(Bytes{size}, to_node(socket_id)));
}

int rte_fastmem_set_limit(int socket_id, size_t max_bytes) {
  core::Heap& heap = rte_heap();
  if (heap.is_absent()) return negative(not_initialised());
  return negative(heap.set_limit(Bytes{max_bytes}, to_node(socket_id)));
}

size_t rte_fastmem_get_limit(int socket_id) {
  core::Heap& heap = rte_heap();
  if (heap.is_absent()) return 0;
  const Result<Bytes> limit = heap.limit(to_node(socket_id));
  return limit.ok() ? limit.value().rep : 0;
}

size_t rte_fastmem_max_size(void) { return core::kMaxSize; }

void rte_fastmem_cache_flush(void) {
  core::Heap& heap = rte_heap();
  if (!heap.is_absent()) heap.flush();
}

unsigned int rte_fastmem_classes(size_t* sizes) {
  const core::SizeClasses& all = core::kRfcClasses;
  for (unsigned i = 0; sizes != nullptr && i < all.count; ++i) sizes[i] = all.classes[i + 1].size;
  return all.count;
}
