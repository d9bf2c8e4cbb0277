// SPDX-License-Identifier: BSD-3-Clause
// api/c_api_kinds.cc -- floor 3 (api). fastmem.h: kinds of memory by tag.
#include <array>
#include <cstddef>

#include "api/c_api.h"

using namespace fastmem;         // NOLINT: the bodies of fastmem.h
using namespace fastmem::c_api;  // NOLINT

static_assert(FASTMEM_ANY_KIND == core::kAnyKind);

namespace {

constexpr unsigned kKnownKindFlags = FASTMEM_KIND_ONLY_NAMED | FASTMEM_KIND_BROUGHT;

// What the structure of an older header lacks keeps its default. false: a value that no header knows.
bool to_kind(const fastmem_kind_t& given, Kind& kind) {
  fastmem_kind_t c;
  fastmem_kind_init(&c, nullptr);
  __builtin_memcpy(&c, &given, given.struct_size < sizeof(c) ? given.struct_size : sizeof(c));
  if (c.pages > FASTMEM_PAGES_4K || c.locked > 1 || (c.flags & ~kKnownKindFlags) != 0) return false;
  kind.tag = c.tag;
  kind.pages = static_cast<PageKind>(c.pages);
  kind.locked = c.locked != 0;
  kind.only_when_named = (c.flags & FASTMEM_KIND_ONLY_NAMED) != 0;
  kind.brought = (c.flags & FASTMEM_KIND_BROUGHT) != 0;
  kind.limit = Bytes{c.limit};
  return to_node(c.node, kind.node);
}

}  // namespace

void fastmem_kind_init(fastmem_kind_t* kind, const char* tag) {
  if (kind == nullptr) return;
  *kind = {};
  kind->struct_size = sizeof(*kind);
  kind->tag = tag;
  kind->node = FASTMEM_NODE_ANY;
  kind->limit = FASTMEM_UNLIMITED;
}

fastmem_heap_t* fastmem_heap_create_kinds(const fastmem_config_t* config, const fastmem_kind_t* kinds, unsigned int n) {
  std::array<Kind, kMostKinds> converted;
  Config c;
  bool sound = to_config(config, c) && kinds != nullptr && n != 0 && n <= converted.size();
  // One behind the other as the caller's header has them.
  const std::size_t step = sound ? kinds->struct_size : 0;
  sound = sound && step >= offsetof(fastmem_kind_t, limit);
  for (unsigned k = 0; k < n && sound; ++k) {
    const auto* const given =
        reinterpret_cast<const fastmem_kind_t*>(reinterpret_cast<const std::byte*>(kinds) + k * step);
    sound = given->struct_size == step && to_kind(*given, converted[k]);
  }
  if (!sound) {
    fail(ErrorCode::kInvalid,
         "a configuration that fastmem_config_init() did not make, no kind or more than %u, a kind that "
         "fastmem_kind_init() did not make, or a value out of range",
         kMostKinds);
    return static_cast<fastmem_heap_t*>(no_object());
  }
  c.kinds = {converted.data(), n};
  const Result<core::Heap*> heap = make_heap(c);
  if (heap.ok()) return wrap(heap.value());
  set_last_error(heap.error());
  return static_cast<fastmem_heap_t*>(no_object());
}

int fastmem_kind(fastmem_heap_t* heap, const char* tag) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  const Result<NodeId> place = h->kind(tag);
  return place.ok() ? place.value().rep : negative(place.error());
}

int fastmem_stats_kind(fastmem_heap_t* heap, int node, fastmem_kind_stats_t* stats) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (node == FASTMEM_NODE_ANY || !to_node(node, id))
    return negative(fail(ErrorCode::kInvalid, "node %d is not there", node));
  const Result<core::KindStats> found = h->kind_stats(id);
  if (!found.ok()) return negative(fail(ErrorCode::kInvalid, "node %d is not there", node));
  const core::KindStats& s = found.value();
  fastmem_kind_stats_t c = {};
  c.sent_elsewhere = s.sent_elsewhere;
  c.served_for_others = s.served_for_others;
  c.bytes_backing = s.backing.rep;
  c.bytes_slabs = s.slabs.rep;
  c.bytes_free = s.free.rep;
  c.limit = s.limit.rep;
  c.regions = s.regions;
  c.nodes = s.nodes;
  return fill(stats, c);
}
