// SPDX-License-Identifier: BSD-3-Clause
// api/c_api_zones.cc -- floor 3 (api). fastmem.h: named zones.
#include <algorithm>
#include <iterator>

#include "api/c_api.h"

using namespace fastmem;         // NOLINT: the bodies of fastmem.h
using namespace fastmem::c_api;  // NOLINT

namespace {

fastmem_zone_t to_c(const core::Zone& zone) {
  fastmem_zone_t c = {};
  static_assert(sizeof(c.name) == sizeof(zone.name));
  std::copy(std::begin(zone.name), std::end(zone.name), c.name);
  c.addr = zone.base;
  c.len = zone.size.rep;
  c.iova = zone.iova.rep;
  c.page_size = zone.page_size.rep;
  c.node = zone.node.rep;
  c.flags = zone.flags;
  return c;
}

}  // namespace

int fastmem_zone_reserve(fastmem_heap_t* heap, const char* name, size_t len, size_t align, size_t bound,
                         unsigned int flags, int node, fastmem_zone_t* zone) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (!to_node(node, id)) return negative(bad_node(node));
  fastmem_zone_t ignored = {sizeof(ignored), 0, {}, nullptr, 0, 0, 0, 0, 0};
  if (zone == nullptr) zone = &ignored;
  if (const int filled = fill(zone, fastmem_zone_t{}); filled != 0) return filled;  // before there is something to lose
  core::Zone reserved;
  const Error error = h->zone_reserve(name, {len, align, bound, flags, id}, reserved);
  return error.ok() ? fill(zone, to_c(reserved)) : negative(error);
}

int fastmem_zone_lookup(fastmem_heap_t* heap, const char* name, fastmem_zone_t* zone) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  const Result<core::Zone> found = h->zone(name);
  if (!found.ok()) return negative(found.error());
  return zone != nullptr ? fill(zone, to_c(found.value())) : 0;
}

int fastmem_zone_free(fastmem_heap_t* heap, const char* name) {
  core::Heap* const h = unwrap(heap);
  return negative(h != nullptr ? h->zone_free(name) : last_error());
}

void fastmem_zone_walk(fastmem_heap_t* heap, void (*callback)(const fastmem_zone_t* zone, void* context),
                       void* context) {
  const core::Heap* const h = unwrap(heap);
  if (h == nullptr || callback == nullptr) return;
  h->each_zone([&](const core::Zone& zone) {
    fastmem_zone_t c = to_c(zone);
    c.struct_size = sizeof(c);
    c.version = FASTMEM_STRUCT_VERSION;
    callback(&c, context);
  });
}

size_t fastmem_zone_largest(fastmem_heap_t* heap, int node, size_t align) {
  core::Heap* const h = unwrap(heap);
  NodeId id;
  if (h == nullptr || !to_node(node, id)) return 0;
  const Result<Bytes> largest = h->zone_largest(align, id);
  return largest.ok() ? largest.value().rep : 0;
}
