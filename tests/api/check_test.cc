// SPDX-License-Identifier: BSD-3-Clause
// fastmem_check(): what is wrong with a heap's books, told to C and C++.
#include <doctest/doctest.h>
#include <fastmem.h>

#include <cerrno>
#include <cstddef>

#include "tests/api/c_heap.h"

namespace fastmem::test {

TEST_CASE("a heap in use, from C: nothing is wrong, and much was looked at") {
  const CHeap heap;
  void* const p = heap.alloc(100);
  fastmem_check_t seen = {};
  seen.struct_size = sizeof(seen);
  CHECK(fastmem_check(heap, &seen) == 0);
  CHECK(seen.findings == 0);
  CHECK(seen.told == 0);
  CHECK(seen.slabs >= 1);
  CHECK(seen.regions >= 1);
  CHECK(fastmem_check_idle(heap, &seen) == 0);
  CHECK(seen.busy + seen.running + seen.unmarked == 0);
  CHECK(seen.objects > 0);
  heap.free(p);
}

TEST_CASE("an older structure gets what it has room for, none gets an error") {
  const CHeap heap;
  fastmem_check_t seen = {};
  seen.struct_size = offsetof(fastmem_check_t, slabs);
  seen.slabs = 77;
  CHECK(fastmem_check(heap, &seen) == 0);
  CHECK(seen.slabs == 77);
  seen.struct_size = 0;
  CHECK(fastmem_check(heap, &seen) == -EINVAL);
  CHECK(fastmem_check(heap, nullptr) == -EINVAL);
}

TEST_CASE("an object that is free twice in a cache is told") {
  const CHeap heap;
  void* const p = heap.alloc(64);
  heap.free(p);
  heap.free(p);  // not noticed before it gets back to its slab
  fastmem_check_t seen = {};
  seen.struct_size = sizeof(seen);
  CHECK(fastmem_check(heap, &seen) == 0);
  CHECK(fastmem_check_idle(heap, &seen) == -EIO);
  CHECK(seen.findings == 1);
  REQUIRE(seen.told == 1);
  CHECK(seen.what[0] == doctest::String("an object is free twice"));
  CHECK(seen.where[0] == p);
}

}  // namespace fastmem::test
