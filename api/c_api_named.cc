// SPDX-License-Identifier: BSD-3-Clause
// api/c_api_named.cc -- floor 3 (api). fastmem.h: named heaps, and memory that the caller brings.
#include "api/c_api.h"
#include "core/named_heaps.h"

using namespace fastmem;         // NOLINT: the bodies of fastmem.h
using namespace fastmem::c_api;  // NOLINT

namespace {

constexpr unsigned kKnownMemoryFlags = FASTMEM_MEMORY_ZEROED | FASTMEM_MEMORY_IOVA_VA | FASTMEM_MEMORY_FORK;

core::Heap* find(const char* name) {
  core::Heap* const heap = core::named_heap(name);
  if (heap == nullptr) fail(ErrorCode::kNotFound, "no heap is named %.32s", name != nullptr ? name : "(null)");
  return heap;
}

template <class Do>
int with_memory(fastmem_heap_t* heap, Do act) {
  core::Heap* const h = unwrap(heap);
  return negative(h != nullptr ? act(*h) : last_error());
}

}  // namespace

fastmem_heap_t* fastmem_named_heap_create(const char* name) {
  const Result<core::Heap*> heap = make_named_heap(name);
  if (heap.ok()) return wrap(heap.value());
  set_last_error(heap.error());
  return static_cast<fastmem_heap_t*>(no_object());
}

fastmem_heap_t* fastmem_named_heap(const char* name) {
  core::Heap* const heap = find(name);
  return heap != nullptr ? wrap(heap) : static_cast<fastmem_heap_t*>(no_object());
}

int fastmem_named_heap_destroy(const char* name) {
  if (core::Answering::is_going_on()) return negative(core::Answering::refusal());
  core::Heap* const heap = find(name);
  if (heap == nullptr) return negative(last_error().code);
  if (heap->stats().regions != 0)
    return negative(fail(ErrorCode::kBusy, "heap %s still has memory: remove it first", name));
  heap->destroy();
  return 0;
}

int fastmem_heap_memory_add(fastmem_heap_t* heap, void* addr, size_t len, const uint64_t* iovas, unsigned int n_pages,
                            size_t page_size) {
  return fastmem_heap_memory_add_on(heap, addr, len, iovas, n_pages, page_size, FASTMEM_NODE_ANY, 0);
}

int fastmem_heap_memory_add_on(fastmem_heap_t* heap, void* addr, size_t len, const uint64_t* iovas,
                               unsigned int n_pages, size_t page_size, int node, unsigned int flags) {
  static_assert(sizeof(Iova) == sizeof(*iovas));
  core::CallerMemory memory;
  memory.base = addr;
  memory.size = Bytes{len};
  memory.page_size = Bytes{page_size};
  if ((flags & ~kKnownMemoryFlags) != 0 || (iovas != nullptr && n_pages == 0)) {
    return negative(fail(ErrorCode::kInvalid, "unknown flags %#x, or a table of no IOVAs", flags & ~kKnownMemoryFlags));
  }
  if (iovas != nullptr) memory.iovas = {reinterpret_cast<const Iova*>(iovas), n_pages};
  memory.zeroed = (flags & FASTMEM_MEMORY_ZEROED) != 0;
  memory.iova_is_address = (flags & FASTMEM_MEMORY_IOVA_VA) != 0;
  memory.inherited_by_fork = (flags & FASTMEM_MEMORY_FORK) != 0;
  if (!to_node(node, memory.node)) return negative(bad_node(node));
  return with_memory(heap, [&](core::Heap& h) { return h.add_memory(memory); });
}

int fastmem_heap_memory_remove(fastmem_heap_t* heap, void* addr, size_t len) {
  return with_memory(heap, [&](core::Heap& h) { return h.remove_memory(addr, Bytes{len}); });
}

int fastmem_heap_memory_detach(fastmem_heap_t* heap, void* addr, size_t len) {
  return with_memory(heap, [&](core::Heap& h) { return h.detach_memory(addr, Bytes{len}); });
}

int fastmem_heap_memory_attach(fastmem_heap_t* heap, void* addr, size_t len) {
  return with_memory(heap, [&](core::Heap& h) { return h.attach_memory(addr, Bytes{len}); });
}
