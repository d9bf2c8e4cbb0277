// SPDX-License-Identifier: BSD-3-Clause
#include "bench/plugin_core.h"

#include <optional>
#include <utility>

#include "api/fastmem.hpp"

namespace {

std::optional<fastmem::Heap> g_heap;

}  // namespace

const char* core_start(std::uint32_t pages) {
  fastmem::Result<fastmem::Heap> made = fastmem::Heap::create({.pages = static_cast<fastmem::PageKind>(pages)});
  if (!made.ok()) return "the plugin cannot make its heap";
  g_heap.emplace(std::move(*made));
  return nullptr;
}

void* core_alloc(std::size_t size) { return g_heap->alloc(size); }
void core_free(void* p) { g_heap->free(p); }
