// SPDX-License-Identifier: BSD-3-Clause
// In abort mode, does each misuse that is noticed end the program with SIGABRT and exactly its message?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <csignal>
#include <fastmem.hpp>
#include <thread>

#include "tests/api/c_heap.h"
#include "tests/death/death.h"

namespace fastmem {
namespace {

using test::Death;
using test::Expect;
using test::make_cache_with_room;
using test::misused_heap;
using test::must_alloc;

char g_foreign[64];

#define DIES(name, ...)                                                \
  TEST_CASE("dies: " name) {                                           \
    const Death death = test::in_child([](Expect expect) __VA_ARGS__); \
    CHECK(death.signal == SIGABRT);                                    \
    CHECK(death.expected != "");                                       \
    CHECK(death.said == death.expected);                               \
  }

fastmem_heap_t* aborting_heap() { return misused_heap(FASTMEM_MISUSE_ABORT); }

int node_of(fastmem_heap_t* heap) { return test::some_node(heap); }

DIES("a foreign pointer", {
  fastmem_heap_t* const heap = aborting_heap();
  expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", static_cast<void*>(g_foreign));
  fastmem_heap_free(heap, g_foreign);
})

DIES("a pointer of another heap", {
  fastmem_heap_t* const heap = aborting_heap();
  void* const theirs = must_alloc(misused_heap(FASTMEM_MISUSE_REPORT), 64);
  expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", theirs);
  fastmem_heap_free(heap, theirs);
})

DIES("a foreign pointer in the middle of a bulk", {
  fastmem_heap_t* const heap = aborting_heap();
  void* const objects[3] = {must_alloc(heap, 64), g_foreign, must_alloc(heap, 64)};
  expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", static_cast<void*>(g_foreign));
  fastmem_heap_free_bulk(heap, objects, 3);
})

DIES("realloc of a foreign pointer", {
  fastmem_heap_t* const heap = aborting_heap();
  expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", static_cast<void*>(g_foreign));
  fastmem_heap_realloc(heap, g_foreign, 100, 0);
})

DIES("free of an object whose slab is gone", {
  fastmem_heap_t* const heap = aborting_heap();
  void* const p = must_alloc(heap, 64);
  fastmem_heap_free(heap, p);
  fastmem_trim(heap);
  expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", p);
  fastmem_heap_free(heap, p);
})

DIES("a double free, noticed at flush", {
  fastmem_heap_t* const heap = aborting_heap();
  make_cache_with_room(heap, 64);
  void* const p = must_alloc(heap, 64);
  fastmem_heap_free(heap, p);
  fastmem_heap_free(heap, p);
  expect("fastmem: double free: %p, class 64, node %d, was free already\n", p, node_of(heap));
  fastmem_flush(heap);
})

DIES("a double free, noticed at trim", {
  fastmem_heap_t* const heap = aborting_heap();
  make_cache_with_room(heap, 5000);
  void* const p = must_alloc(heap, 5000);
  fastmem_heap_free_sized(heap, p, 5000);
  fastmem_heap_free(heap, p);
  expect("fastmem: double free: %p, class 5120, node %d, was free already\n", p, node_of(heap));
  fastmem_trim(heap);
})

DIES("a double free by two threads, noticed when the second one ends", {
  fastmem_heap_t* const heap = aborting_heap();
  make_cache_with_room(heap, 64);
  void* const p = must_alloc(heap, 64);
  std::thread([&] { fastmem_heap_free(heap, p); }).join();
  std::thread([&] {
    fastmem_heap_free(heap, p);
    expect("fastmem: double free: %p, class 64, node %d, was free already\n", p, node_of(heap));
  }).join();
})

DIES("a double free in a bulk by handle, noticed at flush", {
  fastmem_heap_t* const heap = aborting_heap();
  fastmem_handle_t handle = 0;
  if (fastmem_handle(heap, 256, 0, FASTMEM_NODE_ANY, &handle) != 0) return;
  make_cache_with_room(heap, 256);
  void* const p = fastmem_handle_alloc(heap, handle, 0);
  void* const objects[2] = {p, p};
  fastmem_handle_free_bulk(heap, handle, objects, 2);
  expect("fastmem: double free: %p, class 256, node %d, was free already\n", p, node_of(heap));
  fastmem_flush(heap);
})

DIES("a pointer into an object, noticed at flush", {
  fastmem_heap_t* const heap = aborting_heap();
  make_cache_with_room(heap, 320);
  char* const p = static_cast<char*>(must_alloc(heap, 320));
  fastmem_heap_free(heap, p + 16);
  expect("fastmem: inner pointer freed: %p lies inside an object of class 320, node %d\n", static_cast<void*>(p + 16),
         node_of(heap));
  fastmem_flush(heap);
})

DIES("a wrong size, noticed at flush", {
  fastmem_heap_t* const heap = aborting_heap();
  make_cache_with_room(heap, 64);
  void* const p = must_alloc(heap, 1000);
  fastmem_heap_free_sized(heap, p, 64);
  expect("fastmem: freed with a wrong size or handle: %p as class 64, node %d; it is of class 1024, node %d\n", p,
         node_of(heap), node_of(heap));
  fastmem_flush(heap);
})

DIES("a wrong handle, noticed at trim", {
  fastmem_heap_t* const heap = aborting_heap();
  fastmem_handle_t handle = 0;
  if (fastmem_handle(heap, 512, 0, FASTMEM_NODE_ANY, &handle) != 0) return;
  void* const p = must_alloc(heap, 64);
  fastmem_handle_free(heap, handle, p);
  expect("fastmem: freed with a wrong size or handle: %p as class 512, node %d; it is of class 64, node %d\n", p,
         node_of(heap), node_of(heap));
  fastmem_trim(heap);
})

DIES("a foreign pointer freed by size, noticed at flush", {
  fastmem_heap_t* const heap = aborting_heap();
  make_cache_with_room(heap, 64);
  fastmem_heap_free_sized(heap, g_foreign, 64);
  expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", static_cast<void*>(g_foreign));
  fastmem_flush(heap);
})

DIES("the default heap, when it is made so", {
  fastmem_config_t config = test::small_config();
  config.misuse = FASTMEM_MISUSE_ABORT;
  if (fastmem_init(&config) != 0) return;
  expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", static_cast<void*>(g_foreign));
  fastmem_free(g_foreign);
})

DIES("C++: Misuse::kAbort", {
  Config config;
  config.pages = PageKind::kSmall;
  config.address_space = kMiB * 256;
  config.misuse = Misuse::kAbort;
  Result<Heap> heap = Heap::create(config);
  if (!heap.ok()) return;
  expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", static_cast<void*>(g_foreign));
  heap.value().free(g_foreign);
})

}  // namespace
}  // namespace fastmem
