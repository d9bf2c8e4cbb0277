// SPDX-License-Identifier: BSD-3-Clause
// Misuses of fastmem.hpp.
#include <cstdio>
#include <cstdlib>
#include <fastmem.hpp>
#include <new>
#include <span>
#include <thread>

#include "tests/misuse/misuses.h"

namespace {

using fastmem::Heap;
using fastmem::kMiB;

// Two heaps, and their storage that outlives them.
alignas(Heap) std::byte g_storage[2][sizeof(Heap)];
Heap* g_heap = nullptr;
Heap* g_elsewhere = nullptr;

// Small pages, as many as the largest misuse takes in one region.
Heap* make_heap(std::byte* where) {
  auto made = Heap::create({.pages = fastmem::PageKind::kSmall,
                            .iova = fastmem::IovaMode::kNone,
                            .first_region = kMiB * 64,
                            .address_space = kMiB * 1024});
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.error().text);
    std::exit(98);
  }
  return ::new (where) Heap(std::move(made.value()));
}

void begin() {
  g_heap = make_heap(g_storage[0]);
  g_elsewhere = make_heap(g_storage[1]);
}

void end() {
  g_heap->~Heap();
  g_elsewhere->~Heap();
}

void free_by_handle(void* p, std::size_t size) {
  const auto handle = g_heap->handle(size);
  if (!handle.ok()) std::exit(96);
  g_heap->free(handle.value(), p);
}

void flush() {
  g_heap->flush();
  g_heap->trim();
}

int use_late() {
  begin();
  end();
  return g_heap->alloc(100) == nullptr ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const face face = {
      .begin = begin,
      .end = end,
      .alloc = [](std::size_t size) { return g_heap->alloc(size); },
      .alloc_elsewhere = [](std::size_t size) { return g_elsewhere->alloc(size); },
      .free = [](void* p) { g_heap->free(p); },
      .free_sized = [](void* p, std::size_t size) { g_heap->free(p, size); },
      .free_by_handle = free_by_handle,
      .free_bulk = [](void** ptrs, unsigned n) { g_heap->free_bulk(std::span<void* const>(ptrs, n)); },
      .pin = [](void* p) { g_heap->pin(p); },
      .flush = flush,
      .use_early = nullptr,  // a Heap is one
      .use_late = use_late,
      .on_other_thread = [](void (*body)(void*), void* arg) { std::thread(body, arg).join(); },
  };
  return commit_misuse(&face, argc, argv);
}
