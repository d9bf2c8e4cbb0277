// SPDX-License-Identifier: BSD-3-Clause
// api/c_api_memory.cc -- floor 3 (api). fastmem.h: device addresses, memory held, classes and statistics.
#include <algorithm>
#include <type_traits>

#include "api/c_api.h"
#include "api/dump.h"

using namespace fastmem;         // NOLINT: the bodies of fastmem.h
using namespace fastmem::c_api;  // NOLINT

static_assert(sizeof(fastmem_segment_t) == sizeof(core::IovaSegment));

// ---- device addresses ----------------------------------------------------------------------------------------------

uint64_t fastmem_virt_to_iova(fastmem_heap_t* heap, const void* ptr) {
  core::Heap* const h = unwrap(heap);
  return h != nullptr ? h->iova_of(ptr).rep : FASTMEM_BAD_IOVA;
}

int fastmem_iova_contiguous(fastmem_heap_t* heap, const void* ptr, size_t len) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  const Result<bool> answer = h->iova_contiguous(ptr, Bytes{len});
  return answer.ok() ? static_cast<int>(answer.value()) : negative(answer.error());
}

ssize_t fastmem_iova_segments(fastmem_heap_t* heap, const void* ptr, size_t len, fastmem_segment_t* segments,
                              size_t max) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  if (segments == nullptr) max = 0;
  const Result<std::size_t> runs =
      h->iova_segments(ptr, Bytes{len}, {reinterpret_cast<core::IovaSegment*>(segments), max});
  return runs.ok() ? static_cast<ssize_t>(runs.value()) : negative(runs.error());
}

// ---- memory held ---------------------------------------------------------------------------------------------------

int fastmem_reserve(fastmem_heap_t* heap, size_t size, int node) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (!to_node(node, id)) return negative(bad_node(node));
  return negative(h->reserve(Bytes{size}, id));
}

int fastmem_set_limit(fastmem_heap_t* heap, size_t bytes, int node) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (!to_node(node, id)) return negative(bad_node(node));
  return negative(h->set_limit(Bytes{bytes}, id));
}

size_t fastmem_get_limit(fastmem_heap_t* heap, int node) {
  core::Heap* const h = unwrap(heap);
  NodeId id;
  if (h == nullptr || !to_node(node, id)) return 0;
  const Result<Bytes> limit = h->limit(id);
  return limit.ok() ? limit.value().rep : 0;
}

void fastmem_flush(fastmem_heap_t* heap) {
  if (core::Heap* const h = unwrap(heap)) h->flush();
}

size_t fastmem_trim(fastmem_heap_t* heap) {
  core::Heap* const h = unwrap(heap);
  return h != nullptr ? h->trim().rep : 0;
}

// ---- classes -------------------------------------------------------------------------------------------------------

size_t fastmem_max_size(fastmem_heap_t* heap) {
  const core::Heap* const h = unwrap(heap);
  return h != nullptr ? h->largest() : 0;
}

unsigned int fastmem_classes(fastmem_heap_t* heap, size_t* sizes) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return 0;
  const core::SizeClasses& all = h->classes();
  for (unsigned i = 0; sizes != nullptr && i < all.count; ++i) sizes[i] = all.classes[i + 1].size;
  return all.count;
}

// ---- statistics ----------------------------------------------------------------------------------------------------

namespace {

fastmem_slot_stats_t to_c(const core::SlotStats& s) {
  fastmem_slot_stats_t c = {};
  c.class_size = s.class_size;
  c.cached = s.cached;
  c.alloc_cache_hits = s.alloc_hits;
  c.alloc_cache_misses = s.alloc_misses;
  c.alloc_nomem = s.nomem;
  c.free_cache_hits = s.free_hits;
  c.free_cache_misses = s.free_misses;
  return c;
}

}  // namespace

int fastmem_stats(fastmem_heap_t* heap, fastmem_stats_t* stats) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  if (core::refuse_in_callback() != ErrorCode::kOk) return negative(last_error().code);
  const core::HeapStats s = h->stats();
  fastmem_stats_t c = {};
  c.bytes_backing = s.backing.rep;
  c.bytes_slabs = s.slabs.rep;
  c.bytes_in_use = s.in_use.rep;
  c.bytes_cached = s.cached.rep;
  c.bytes_metadata = s.metadata.rep;
  c.alloc_total = s.allocs;
  c.free_total = s.frees;
  c.alloc_nomem = s.nomem;
  c.alloc_elsewhere = s.elsewhere;
  c.misuse = s.misuses;
  c.regions = s.regions;
  c.slots = s.slots;
  c.classes = s.classes;
  c.nodes = s.nodes;
  return fill(stats, c);
}

int fastmem_stats_class(fastmem_heap_t* heap, size_t class_size, fastmem_class_stats_t* stats) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  const Result<core::ClassStats> k = h->class_stats(class_size);
  if (!k.ok()) return negative(k.error());
  const core::ClassStats& s = k.value();
  fastmem_class_stats_t c = {};
  c.class_size = s.size;
  c.in_use = s.in_use;
  c.cached = s.cached;
  c.alloc_cache_hits = s.alloc_hits;
  c.alloc_cache_misses = s.alloc_misses;
  c.alloc_nomem = s.nomem;
  c.free_cache_hits = s.free_hits;
  c.free_cache_misses = s.free_misses;
  c.slab_acquires = s.slab_acquires;
  c.slab_releases = s.slab_releases;
  c.objects_per_slab = s.objects_per_slab;
  c.free_in_slabs = s.free_in_slabs;
  c.slabs_empty = s.slabs_empty;
  c.slabs_partial = s.slabs_partial;
  c.slabs_full = s.slabs_full;
  return fill(stats, c);
}

int fastmem_stats_slot(fastmem_heap_t* heap, unsigned int slot, fastmem_slot_stats_t* stats) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  const Result<core::SlotStats> s = h->slot_stats(slot);
  return s.ok() ? fill(stats, to_c(s.value())) : negative(s.error());
}

int fastmem_stats_slot_class(fastmem_heap_t* heap, unsigned int slot, size_t class_size, fastmem_slot_stats_t* stats) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  const Result<core::SlotStats> s = h->slot_class_stats(slot, class_size);
  return s.ok() ? fill(stats, to_c(s.value())) : negative(s.error());
}

int fastmem_stats_node(fastmem_heap_t* heap, int node, fastmem_node_stats_t* stats) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (node == FASTMEM_NODE_ANY || !to_node(node, id))
    return negative(fail(ErrorCode::kInvalid, "node %d is not there", node));
  const Result<core::NodeStats> n = h->node_stats(id);
  if (!n.ok()) return negative(fail(ErrorCode::kInvalid, "node %d is not there", node));
  const core::NodeStats& s = n.value();
  fastmem_node_stats_t c = {};
  c.bytes_backing = s.backing.rep;
  c.bytes_slabs = s.slabs.rep;
  c.bytes_free = s.free.rep;
  c.bytes_metadata = s.metadata.rep;
  c.limit = s.limit.rep;
  c.regions = s.regions;
  c.node = node;
  return fill(stats, c);
}

int fastmem_stats_memory(fastmem_heap_t* heap, int node, fastmem_memory_stats_t* stats) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (!to_node(node, id)) return negative(fail(ErrorCode::kInvalid, "node %d is not there", node));
  const Result<core::MemoryStats> m = h->memory_stats(id);
  if (!m.ok()) return negative(fail(ErrorCode::kInvalid, "node %d is not there", node));
  const core::MemoryStats& s = m.value();
  fastmem_memory_stats_t c = {};
  c.bytes_total = s.total.rep;
  c.bytes_in_slabs = s.slabs.rep;
  c.bytes_large = s.large.rep;
  c.bytes_free = s.free.rep;
  c.bytes_largest_free = s.largest_free.rep;
  c.bytes_away = s.away.rep;
  c.bytes_floor = s.floor.rep;
  c.free_pieces = s.free_pieces;
  c.large_objects = s.large_objects;
  c.regions = s.regions;
  c.fragmentation = s.fragmentation();
  return fill(stats, c);
}

int fastmem_dump(fastmem_heap_t* heap, FILE* file) {
  if (core::refuse_in_callback() != ErrorCode::kOk) return negative(last_error().code);
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  return file != nullptr ? dump_text(*h, file) : negative(fail(ErrorCode::kInvalid, "no file to dump to"));
}

int fastmem_dump_json(fastmem_heap_t* heap, FILE* file) {
  if (core::refuse_in_callback() != ErrorCode::kOk) return negative(last_error().code);
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  return file != nullptr ? dump_json(*h, file) : negative(fail(ErrorCode::kInvalid, "no file to dump to"));
}

void fastmem_stats_reset(fastmem_heap_t* heap) {
  if (core::Heap* const h = unwrap(heap)) h->reset_stats();
}

unsigned int fastmem_slot(void) { return default_heap_slow() != nullptr ? claim_thread_slot().rep : 0; }
unsigned int fastmem_max_slots(void) { return kMaxSlots; }
