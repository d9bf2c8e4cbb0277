// SPDX-License-Identifier: BSD-3-Clause
// The hot path has the instructions that it is known to have: through the C++ header and through the C functions.
#include <fastmem.h>

#include <fastmem.hpp>
#include <optional>

#include "tests/golden/golden.h"

namespace fastmem::test {
namespace {

std::optional<Heap> g_heap;
Handle g_handle;
fastmem_handle_t g_c_handle;
std::size_t g_size = 200;
void* g_object;
void* g_bulk[32];

bool make_heap() {
  Config config;
  config.pages = PageKind::kSmall;
  Result<Heap> made = Heap::create(config);
  if (!made.ok()) return false;
  g_heap.emplace(std::move(*made));
  g_handle = g_heap->handle(200).value();
  return true;
}
// Enough in the cache for the calls that follow, and room for as many.
bool with_objects() {
  if (!make_heap() || g_heap->alloc_bulk(g_bulk, 200) != ErrorCode::kOk) return false;
  for (unsigned i = 0; i < 16; ++i) g_heap->free(g_bulk[i]);
  g_object = g_bulk[20];
  return true;
}
bool c_with_objects() {
  if (fastmem_handle(nullptr, 200, 0, FASTMEM_NODE_ANY, &g_c_handle) != 0) return false;
  if (fastmem_alloc_bulk(g_bulk, 32, 200, 0, 0) != 0) return false;
  for (unsigned i = 0; i < 16; ++i) fastmem_free(g_bulk[i]);
  g_object = g_bulk[20];
  return true;
}

const HotCall kCalls[] = {
    {"alloc", with_objects, [] { g_object = g_heap->alloc(g_size); }},
    {"free", with_objects, [] { g_heap->free(g_bulk[g_size++ - 180]); }},
    {"free-sized", with_objects, [] { g_heap->free(g_bulk[g_size++ - 180], 200); }},
    {"handle-alloc", with_objects, [] { g_object = g_heap->alloc(g_handle); }},
    {"handle-free", with_objects, [] { g_heap->free(g_handle, g_bulk[g_size++ - 180]); }},
    {"c-alloc", c_with_objects, [] { g_object = fastmem_alloc(g_size, 0, 0); }},
    {"c-free", c_with_objects, [] { fastmem_free(g_bulk[g_size++ - 180]); }},
    {"c-handle-alloc", c_with_objects, [] { g_object = fastmem_handle_alloc(nullptr, g_c_handle, 0); }},
    {"c-handle-free", c_with_objects, [] { fastmem_handle_free(nullptr, g_c_handle, g_bulk[g_size++ - 180]); }},
};

TEST_CASE("hot calls have their known number of instructions") { compare_with_golden(kCalls); }

}  // namespace
}  // namespace fastmem::test
