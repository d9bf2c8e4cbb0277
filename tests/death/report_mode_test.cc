// SPDX-License-Identifier: BSD-3-Clause
// By default, is each misuse that is noticed logged, counted and refused, and does the program go on with sound books?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/death/death.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::Death;
using test::error_text;
using test::Expect;
using test::says;

char g_foreign[64];

struct Lines {
  Lines() { fastmem_set_log(note, this); }
  ~Lines() { fastmem_set_log(nullptr, nullptr); }
  static void note(int level, const char* line, void* context) {
    if (level == FASTMEM_LOG_ERROR) static_cast<Lines*>(context)->errors.emplace_back(line);
  }
  std::vector<std::string> errors;
};

std::string text_of(const void* p) {
  char text[32];
  std::snprintf(text, sizeof(text), "%p", p);
  return text;
}

// The heap hands out what it has, each object once.
void check_sound(const CHeap& heap, std::size_t size) {
  REQUIRE(fastmem_set_limit(heap, 4 * test::kMegabyte, FASTMEM_NODE_ANY) == 0);
  fastmem_flush(heap);
  const std::vector<void*> objects = heap.alloc_all(size);
  CHECK(std::set<void*>(objects.begin(), objects.end()).size() == objects.size());
  CHECK(heap.free_all(objects) == 0);
}

TEST_CASE("a foreign pointer is refused at once") {
  Lines lines;
  const CHeap heap;
  CHECK(heap.free(g_foreign) == -EINVAL);
  CHECK(says(error_text(), text_of(g_foreign)));
  CHECK(heap.free(reinterpret_cast<void*>(~std::uintptr_t{15})) == -EINVAL);
  CHECK(heap.free(reinterpret_cast<void*>(8)) == -EINVAL);
  REQUIRE(lines.errors.size() == 3);
  CHECK(says(lines.errors[0], "foreign pointer freed: " + text_of(g_foreign)));
  CHECK(heap.stats().misuse == 3);
  CHECK(heap.stats().free_total == 0);
  errno = 0;
  CHECK(fastmem_heap_realloc(heap, g_foreign, 10, 0) == nullptr);
  CHECK(errno == EINVAL);
  CHECK(heap.stats().misuse == 4);
  CHECK(heap.stats().bytes_in_use == 0);
}

TEST_CASE("usable_size of what is not an object is 0, and no misuse") {
  const CHeap heap;
  auto* const p = static_cast<char*>(heap.alloc(320));
  CHECK(fastmem_heap_usable_size(heap, p) == 320);
  CHECK(fastmem_heap_usable_size(heap, p + 16) == 0);
  CHECK(fastmem_heap_usable_size(heap, g_foreign) == 0);
  CHECK(fastmem_heap_usable_size(heap, reinterpret_cast<void*>(~std::uintptr_t{0})) == 0);
  CHECK(heap.stats().misuse == 0);
}

TEST_CASE("a bulk with a foreign pointer: the first error is returned, the others are freed") {
  Lines lines;
  const CHeap heap;
  std::vector<void*> objects(10);
  REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), 10, 100, 0, 0, FASTMEM_NODE_ANY) == 0);
  objects[4] = g_foreign;
  CHECK(heap.free_all(objects) == -EINVAL);
  CHECK(heap.stats().free_total == 9);
  CHECK(lines.errors.size() == 1);
}

TEST_CASE("a double free is noticed when the cache is emptied, told with class and node, and taken back once") {
  Lines lines;
  const CHeap heap;
  test::make_cache_with_room(heap, 64);
  void* const p = heap.alloc(64);
  CHECK(heap.free(p) == 0);
  CHECK(heap.free(p) == 0);  // not noticed yet
  fastmem_flush(heap);
  REQUIRE(lines.errors.size() == 1);
  CHECK(says(lines.errors[0], text_of(p)));
  CHECK(says(lines.errors[0], "class 64, node " + std::to_string(test::some_node(heap))));
  CHECK(heap.stats().misuse == 1);
  check_sound(heap, 64);
}

TEST_CASE("a free that is too much, long after: every object is handed out once all the same") {
  Lines lines;
  const CHeap heap;
  std::vector<void*> objects(1000);
  REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), 1000, 64, 0, 0, FASTMEM_NODE_ANY) == 0);
  REQUIRE(heap.free_all(objects) == 0);
  fastmem_flush(heap);
  for (int i = 0; i < 200; ++i) heap.free(objects[static_cast<std::size_t>(i) * 5]);
  fastmem_flush(heap);
  fastmem_trim(heap);
  CHECK(heap.stats().misuse == 200);
  check_sound(heap, 64);
}

TEST_CASE("a wrong size: the object goes home and can be had again") {
  Lines lines;
  const CHeap heap;
  test::make_cache_with_room(heap, 64);
  void* const p = heap.alloc(1000);
  CHECK(fastmem_heap_free_sized(heap, p, 64) == 0);
  fastmem_flush(heap);
  REQUIRE(lines.errors.size() == 1);
  CHECK(says(lines.errors[0], "class 1024"));
  CHECK(heap.stats().misuse == 1);
  CHECK(heap.class_stats(1024).in_use == 0);
  check_sound(heap, 64);
  check_sound(heap, 1000);
}

TEST_CASE("an inner pointer is refused, and the object stays") {
  Lines lines;
  const CHeap heap;
  test::make_cache_with_room(heap, 320);
  auto* const p = static_cast<char*>(heap.alloc(320));
  heap.free(p + 64);
  fastmem_flush(heap);
  REQUIRE(lines.errors.size() == 1);
  CHECK(says(lines.errors[0], "inner pointer"));
  CHECK(heap.class_stats(320).in_use == 4);
  CHECK(heap.free(p) == 0);
  fastmem_flush(heap);
  CHECK(heap.class_stats(320).in_use == 3);
  CHECK(lines.errors.size() == 1);
}

TEST_CASE("without a listener the line goes to stderr, and nothing dies") {
  const Death death = test::in_child([](Expect expect) {
    fastmem_heap_t* const heap = test::misused_heap(FASTMEM_MISUSE_REPORT);
    expect("fastmem: foreign pointer freed: %p is not an object of this heap\n", static_cast<void*>(g_foreign));
    fastmem_heap_free(heap, g_foreign);
  });
  CHECK(death.signal == 0);
  CHECK(death.status == 0);
  CHECK(death.said == death.expected);
}

}  // namespace
}  // namespace fastmem
