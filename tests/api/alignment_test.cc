// SPDX-License-Identifier: BSD-3-Clause
// Is every object aligned as asked, by default to 16, and to its size where that is a power of two?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <cstdint>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;

bool is_power_of_two(std::size_t n) { return (n & (n - 1)) == 0; }
bool aligned(const void* p, std::size_t to) { return reinterpret_cast<std::uintptr_t>(p) % to == 0; }

CHeap heap_of(unsigned profile, std::size_t default_align = 16) {
  fastmem_config_t config = test::small_config();
  config.profile = profile;
  config.default_align = default_align;
  return CHeap(config);
}

// So many objects that they come from several slabs, and from the ends of slabs.
std::vector<void*> many(const CHeap& heap, std::size_t size, std::size_t align) {
  std::vector<void*> objects(size >= 65536 ? 12 : 3 * 65536 / size);
  REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), objects.size(), size, align, 0, FASTMEM_NODE_ANY) == 0);
  return objects;
}

void check_class(const CHeap& heap, std::size_t size, std::size_t least) {
  CAPTURE(size);
  bool right = true;
  const std::vector<void*> objects = many(heap, size, 0);
  for (void* const p : objects) {
    right &= aligned(p, least) && (!is_power_of_two(size) || aligned(p, size));
    right &= fastmem_heap_usable_size(heap, p) >= size;
  }
  CHECK(right);
  CHECK(heap.free_all(objects) == 0);
}

TEST_CASE("every class of both profiles by default") {
  for (const unsigned profile : {FASTMEM_PROFILE_FINE, FASTMEM_PROFILE_RFC}) {
    const CHeap heap = heap_of(profile);
    for (const std::size_t size : heap.classes()) {
      check_class(heap, size, 16);
      check_class(heap, size - 1, 16);
    }
  }
}

TEST_CASE("a heap whose default is a cache line, or a page") {
  for (const std::size_t align : {32, 64, 128, 4096}) {
    CAPTURE(align);
    const CHeap heap = heap_of(FASTMEM_PROFILE_FINE, align);
    for (const std::size_t size : heap.classes()) check_class(heap, size, align);
    void* const p = heap.alloc(1);
    CHECK(fastmem_heap_free_sized(heap, p, 1) == 0);
    void* const less = heap.alloc(24, 16);  // less may be asked
    CHECK(aligned(less, 16));
    CHECK(heap.free(less) == 0);
    fastmem_flush(heap);
    CHECK(heap.stats().misuse == 0);
  }
}

TEST_CASE("every power of two, for small and for odd sizes") {
  for (const unsigned profile : {FASTMEM_PROFILE_FINE, FASTMEM_PROFILE_RFC}) {
    const CHeap heap = heap_of(profile);
    const std::size_t max = test::kMegabyte * 32;
    for (std::size_t align = 1; align <= max; align *= 2) {
      for (const std::size_t size : {std::size_t{1}, align / 2 + 1, align, align + align / 2 + 1, align * 3}) {
        if (size > max || (size + align - 1) / align * align > max) continue;
        CAPTURE(size);
        CAPTURE(align);
        bool right = true;
        std::vector<void*> objects;
        for (int i = 0; i < 5; ++i) {
          void* const p = i % 2 != 0 ? heap.alloc(size, align) : heap.alloc(size, align, FASTMEM_ZERO);
          REQUIRE(p != nullptr);
          right &= aligned(p, align) && fastmem_heap_usable_size(heap, p) >= size;
          objects.push_back(p);
        }
        CHECK(right);
        CHECK(heap.free_all(objects) == 0);
      }
    }
  }
}

TEST_CASE("an alignment as large as the largest class, and larger") {
  const CHeap heap;
  const std::size_t max = test::kMegabyte * 32;
  CHECK(heap.alloc(max / 2 + 1, max) != nullptr);
  CHECK(heap.alloc(max, max) != nullptr);
  CHECK(heap.alloc(1, max) != nullptr);
}

TEST_CASE("handles and realloc keep the alignment") {
  const CHeap heap;
  for (const std::size_t align : {64, 4096, 65536, 1 << 20}) {
    CAPTURE(align);
    fastmem_handle_t handle = 0;
    REQUIRE(fastmem_handle(heap, 48, align, FASTMEM_NODE_ANY, &handle) == 0);
    void* objects[5] = {};
    REQUIRE(fastmem_handle_alloc_bulk(heap, handle, objects, 5, 0) == 0);
    bool right = true;
    for (void* const p : objects) right &= aligned(p, align);
    CHECK(right);
    CHECK(fastmem_handle_free_bulk(heap, handle, objects, 5) == 0);
    void* p = nullptr;
    for (const std::size_t size : {10, 1000, 100000, 70000, 1}) {
      p = fastmem_heap_realloc(heap, p, size, align);
      REQUIRE(p != nullptr);
      CHECK(aligned(p, align));
    }
    CHECK(heap.free(p) == 0);
  }
}

}  // namespace
}  // namespace fastmem
