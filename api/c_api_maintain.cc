// SPDX-License-Identifier: BSD-3-Clause
// api/c_api_maintain.cc -- floor 3 (api). fastmem.h: memory that comes ahead of need and goes by itself, and its floors.
#include <type_traits>

#include "api/c_api.h"
#include "platform/wake_event.h"

using namespace fastmem;         // NOLINT: the bodies of fastmem.h
using namespace fastmem::c_api;  // NOLINT

static_assert(std::is_same_v<fastmem_watermark_t, core::WatermarkCallback>);
static_assert(std::is_same_v<fastmem_pressure_t, core::PressureCallback>);
static_assert(FASTMEM_BELOW_LOW == core::kBelowLow && FASTMEM_ABOVE_HIGH == core::kAboveHigh);
static_assert(FASTMEM_PRESSURE_SOME == core::kSomePressure && FASTMEM_PRESSURE_FULL == core::kFullPressure);

size_t fastmem_trim_bytes(fastmem_heap_t* heap, size_t bytes) {
  core::Heap* const h = unwrap(heap);
  return h != nullptr ? h->trim(Bytes{bytes}).rep : 0;
}

int fastmem_set_floor(fastmem_heap_t* heap, size_t bytes, int node) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (!to_node(node, id)) return negative(bad_node(node));
  return negative(h->set_floor(Bytes{bytes}, id));
}

int fastmem_set_total_limit(fastmem_heap_t* heap, size_t bytes) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  h->set_total_limit(Bytes{bytes});
  return 0;
}

int fastmem_set_watermarks(fastmem_heap_t* heap, size_t low, size_t high, int node) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  NodeId id;
  if (!to_node(node, id)) return negative(bad_node(node));
  return negative(h->set_watermarks(Bytes{low}, Bytes{high}, id));
}

void fastmem_on_watermark(fastmem_heap_t* heap, fastmem_watermark_t callback, void* context) {
  if (core::Heap* const h = unwrap(heap)) h->on_watermark(callback, context);
}

void fastmem_set_decay(fastmem_heap_t* heap, unsigned int ms) {
  if (core::Heap* const h = unwrap(heap)) h->set_decay(ms);
}

int fastmem_maintain(fastmem_heap_t* heap, int timeout_ms) {
  core::Heap* const h = unwrap(heap);
  if (h == nullptr) return negative(last_error().code);
  return negative(h->maintain(timeout_ms < 0 ? kForever : static_cast<uint64_t>(timeout_ms) * 1'000'000));
}

int fastmem_maintainer_start(fastmem_heap_t* heap) {
  core::Heap* const h = unwrap(heap);
  return h != nullptr ? negative(h->start_maintainer()) : negative(last_error().code);
}

int fastmem_maintainer_stop(fastmem_heap_t* heap) {
  core::Heap* const h = unwrap(heap);
  return h != nullptr ? negative(h->stop_maintainer()) : negative(last_error().code);
}

void fastmem_on_pressure(fastmem_heap_t* heap, fastmem_pressure_t callback, void* context) {
  if (core::Heap* const h = unwrap(heap)) h->on_pressure(callback, context);
}

int fastmem_pressure(fastmem_heap_t* heap, int level) {
  core::Heap* const h = unwrap(heap);
  return h != nullptr ? negative(h->pressure(level)) : negative(last_error().code);
}
