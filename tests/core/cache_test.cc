// SPDX-License-Identifier: BSD-3-Clause
// The stack that alloc and free touch: its edges, its counter, and what a thief may do to it.
#include "core/cache.h"

#include <doctest/doctest.h>

#include <vector>

namespace fastmem::core {
namespace {

// A cache over an array of `capacity` cells, the first `full` of them objects.
struct CacheBench {
  CacheBench(std::size_t capacity, std::size_t full) : cells(capacity) {
    for (std::size_t i = 0; i < full; ++i) cells[i] = object(i);
    cache.load(cells.data(), cells.data() + full, cells.data() + capacity);
  }
  static void* object(std::size_t i) { return reinterpret_cast<void*>(0x1000 + 16 * i); }
  void* pop() {
    void** const cell = cache.claim();
    if (cache.holds(cell)) return Cache::object_at(cell);
    cache.unclaim();
    return nullptr;
  }
  std::vector<void*> cells;
  Cache cache;
};

TEST_CASE("without a magazine nothing is in it and nothing goes in") {
  Cache cache;
  CHECK(cache.count() == 0);
  for (unsigned i = 0; i < 3; ++i) {
    void** const cell = cache.claim();
    CHECK_FALSE(cache.holds(cell));
    CHECK(cache.count() == 0);
    CHECK_FALSE(cache.push(&cache));
  }
  cache.unclaim(3);
  void* object = &cache;
  CHECK(cache.push_bulk(&object, 1) == 0);
  CHECK(cache.frees() == 0);
  CHECK(cache.top() == nullptr);
}

TEST_CASE("last in, first out, between empty and full") {
  CacheBench b(4, 2);
  CHECK(b.cache.count() == 2);
  CHECK(b.pop() == CacheBench::object(1));
  CHECK(b.cache.push(CacheBench::object(7)));
  CHECK(b.pop() == CacheBench::object(7));
  CHECK(b.pop() == CacheBench::object(0));
  CHECK(b.pop() == nullptr);
  CHECK(b.pop() == nullptr);
  CHECK(b.cache.count() == 0);
  for (unsigned i = 0; i < 4; ++i) CHECK(b.cache.push(CacheBench::object(10 + i)));
  CHECK_FALSE(b.cache.push(CacheBench::object(99)));
  CHECK(b.cache.count() == 4);
  CHECK(b.cache.frees() == 5);
  for (unsigned i = 4; i-- > 0;) CHECK(b.pop() == CacheBench::object(10 + i));
}

TEST_CASE("a bulk claim is all or nothing, and is undone whole") {
  CacheBench b(8, 5);
  void** cell = b.cache.claim(3);
  REQUIRE(b.cache.holds(cell));
  for (unsigned i = 0; i < 3; ++i) CHECK(cell[i] == CacheBench::object(2 + i));
  CHECK(b.cache.count() == 2);
  cell = b.cache.claim(3);
  CHECK_FALSE(b.cache.holds(cell));
  CHECK(b.cache.count() == 0);  // claimed too low: nobody takes from it meanwhile
  b.cache.unclaim(3);
  CHECK(b.cache.count() == 2);
}

TEST_CASE("a bulk push takes what there is room for and counts it") {
  CacheBench b(4, 1);
  std::vector<void*> more;
  for (unsigned i = 0; i < 6; ++i) more.push_back(CacheBench::object(20 + i));
  CHECK(b.cache.push_bulk(more.data(), 2) == 2);
  CHECK(b.cache.push_bulk(more.data() + 2, 4) == 1);
  CHECK(b.cache.push_bulk(more.data() + 3, 3) == 0);
  CHECK(b.cache.frees() == 3);
  CHECK(b.cache.count() == 4);
  CHECK(b.pop() == CacheBench::object(22));
  CHECK(b.pop() == CacheBench::object(21));
}

TEST_CASE("a raised base leaves what is above it") {
  CacheBench b(4, 4);
  b.cache.set_base(b.cells.data() + 3);
  CHECK(b.cache.count() == 1);
  CHECK(b.pop() == CacheBench::object(3));
  CHECK(b.pop() == nullptr);
  CHECK(b.cache.push(CacheBench::object(3)));  // the hole below stays until the next slow call
  CHECK_FALSE(b.cache.push(CacheBench::object(4)));
}

TEST_CASE("unloaded it refuses, and its counter stays") {
  CacheBench b(4, 2);
  CHECK(b.cache.push(CacheBench::object(5)));
  b.cache.unload();
  CHECK(b.cache.count() == 0);
  CHECK(b.pop() == nullptr);
  CHECK_FALSE(b.cache.push(CacheBench::object(6)));
  CHECK(b.cache.frees() == 1);
  b.cache.count_frees(4);
  CHECK(b.cache.frees() == 5);
}

}  // namespace
}  // namespace fastmem::core
