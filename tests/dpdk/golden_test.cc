// SPDX-License-Identifier: BSD-3-Clause
// The hot calls of rte_fastmem.h have the instructions that they are known to have.
#include "tests/golden/golden.h"

#include <rte_fastmem.h>

namespace fastmem::test {
namespace {

rte_fastmem_handle_t g_handle;
std::size_t g_size = 200;
unsigned g_next = 20;
void* g_object;
void* g_objects[32];

// In a child of the process that EAL was started in: its memory is its own with --no-huge.
bool with_objects() {
  if (rte_fastmem_init() != 0 || rte_fastmem_hlookup(200, 0, SOCKET_ID_ANY, &g_handle) != 0) return false;
  if (rte_fastmem_alloc_bulk(g_objects, 32, 200, 0, 0) != 0) return false;
  for (unsigned i = 0; i < 16; ++i) rte_fastmem_free(g_objects[i]);
  return true;
}

const HotCall kCalls[] = {
    {"rte-alloc", with_objects, [] { g_object = rte_fastmem_alloc(g_size, 0, 0); }},
    {"rte-free", with_objects, [] { rte_fastmem_free(g_objects[g_next++]); }},
    {"rte-halloc", with_objects, [] { g_object = rte_fastmem_halloc(g_handle, 0); }},
    {"rte-hfree", with_objects, [] { rte_fastmem_hfree(g_handle, g_objects[g_next++]); }},
};

TEST_CASE("hot calls of rte_fastmem.h have their known number of instructions") { compare_with_golden(kCalls); }

}  // namespace
}  // namespace fastmem::test
