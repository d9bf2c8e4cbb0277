// SPDX-License-Identifier: BSD-3-Clause
// Do limits hold to the byte, books counted, and do reserve, flush and trim keep what they promise?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::kMegabyte;

TEST_CASE("limits of any size hold for what is handed out and the books together") {
  const std::size_t limits[] = {1, 4095, 65536, 65537, 1000000, 2097151, 2097152, 2097153, 3 * kMegabyte + 17, 7777777};
  for (const std::size_t limit : limits) {
    for (const std::size_t size : {16, 1000, 65536, 1 << 20}) {
      CAPTURE(limit);
      CAPTURE(size);
      fastmem_config_t config = test::small_config();
      config.limit_per_node = limit;
      const CHeap heap(config);
      const int node = test::some_node(heap);
      const std::size_t got = heap.alloc_all(size).size();
      const fastmem_node_stats_t n = heap.node_stats(node);
      CHECK(n.limit == limit);
      CHECK(fastmem_get_limit(heap, node) == limit);
      CHECK(n.bytes_slabs + n.bytes_metadata <= std::max<std::size_t>(limit, n.bytes_metadata));
      CHECK(got * size <= limit);
      if (limit >= 3 * kMegabyte) CHECK(got * size >= limit * 6 / 10);  // and it is used
    }
  }
}

TEST_CASE("a limit can be raised and lowered; below what is held nothing is taken away and nothing grows") {
  const CHeap heap;
  REQUIRE(fastmem_set_limit(heap, 4 * kMegabyte, FASTMEM_NODE_ANY) == 0);
  std::vector<void*> objects = heap.alloc_all(65536);
  const std::size_t held = heap.stats().bytes_backing;
  REQUIRE(fastmem_set_limit(heap, kMegabyte, FASTMEM_NODE_ANY) == 0);
  for (void* const p : heap.alloc_all(65536)) objects.push_back(p);  // the room that the books had
  CHECK(heap.stats().bytes_backing == held);
  CHECK(heap.free(objects.back()) == 0);
  objects.back() = heap.alloc(65536);
  CHECK(objects.back() != nullptr);  // what it has it may use
  REQUIRE(fastmem_set_limit(heap, 8 * kMegabyte, FASTMEM_NODE_ANY) == 0);
  const std::vector<void*> more = heap.alloc_all(65536);
  CHECK(more.size() > 40);
  REQUIRE(fastmem_set_limit(heap, FASTMEM_UNLIMITED, FASTMEM_NODE_ANY) == 0);
  CHECK(heap.alloc(65536) != nullptr);
  CHECK(fastmem_get_limit(heap, test::some_node(heap)) == FASTMEM_UNLIMITED);
  CHECK(heap.free_all(objects) == 0);
  CHECK(heap.free_all(more) == 0);
}

TEST_CASE("a limit raised is tried at once, however often growing failed before") {
  const CHeap heap;
  REQUIRE(fastmem_set_limit(heap, 0, FASTMEM_NODE_ANY) == 0);
  for (int i = 0; i < 100; ++i) REQUIRE(heap.alloc(64) == nullptr);
  REQUIRE(fastmem_set_limit(heap, 4 * kMegabyte, FASTMEM_NODE_ANY) == 0);
  CHECK(heap.alloc(64) != nullptr);
}

TEST_CASE("reserve takes memory ahead of need, to the size asked in all") {
  const CHeap heap;
  const int node = test::some_node(heap);
  REQUIRE(fastmem_reserve(heap, 0, FASTMEM_NODE_ANY) == 0);
  CHECK(heap.stats().bytes_backing == 0);
  REQUIRE(fastmem_reserve(heap, 5 * kMegabyte + 1, node) == 0);
  const fastmem_stats_t once = heap.stats();
  CHECK(once.bytes_backing >= 5 * kMegabyte + 1);
  CHECK(once.bytes_backing < 8 * kMegabyte);
  REQUIRE(fastmem_reserve(heap, 5 * kMegabyte, FASTMEM_NODE_ANY) == 0);
  CHECK(heap.stats().bytes_backing == once.bytes_backing);
  REQUIRE(fastmem_set_limit(heap, once.bytes_backing, node) == 0);
  CHECK(heap.alloc(kMegabyte) != nullptr);  // out of what was reserved
  CHECK(heap.stats().bytes_backing == once.bytes_backing);
}

TEST_CASE("reserving more than there may be is an error that says how far it came") {
  const CHeap heap;
  REQUIRE(fastmem_set_limit(heap, 4 * kMegabyte, FASTMEM_NODE_ANY) == 0);
  CHECK(fastmem_reserve(heap, 100 * kMegabyte, FASTMEM_NODE_ANY) == -ENOMEM);
  CHECK(test::says(test::error_text(), "100 MiB asked"));
  CHECK(test::says(test::error_text(), "limit"));
  CHECK(heap.stats().bytes_backing <= 4 * kMegabyte);
  CHECK(fastmem_reserve(heap, SIZE_MAX, FASTMEM_NODE_ANY) == -ENOMEM);
}

TEST_CASE("regions grow from the first one to the largest, and never by more than is held already") {
  fastmem_config_t config = test::small_config();
  config.first_region = 4 * kMegabyte;
  config.region_size = 16 * kMegabyte;
  const CHeap heap(config);
  std::size_t held = 0;
  std::size_t step = 0;
  while (held < 200 * kMegabyte) {
    REQUIRE(heap.alloc(kMegabyte) != nullptr);
    const std::size_t now = heap.stats().bytes_backing;
    if (now == held) continue;
    CHECK(now - held >= step);
    step = now - held;
    CHECK(step <= (held == 0 ? 4 * kMegabyte : held));
    held = now;
  }
  CHECK(step == 16 * kMegabyte);
}

TEST_CASE("the address space of a heap is the most it can hold") {
  fastmem_config_t config = test::small_config();
  config.address_space = 256 * kMegabyte;
  config.region_size = 64 * kMegabyte;
  const CHeap heap(config);
  CHECK(fastmem_reserve(heap, 256 * kMegabyte, FASTMEM_NODE_ANY) == 0);
  CHECK(fastmem_reserve(heap, 257 * kMegabyte, FASTMEM_NODE_ANY) == -ENOMEM);
  CHECK(test::says(test::error_text(), "address"));
  CHECK(heap.stats().bytes_backing == 256 * kMegabyte);
}

TEST_CASE("flush empties the calling thread's caches and keeps the counters") {
  const CHeap heap;
  heap.free(heap.alloc(64));
  const fastmem_stats_t before = heap.stats();
  CHECK(before.bytes_cached > 0);
  fastmem_flush(heap);
  const fastmem_stats_t after = heap.stats();
  fastmem_slot_stats_t slot = {};
  slot.struct_size = sizeof(slot);
  REQUIRE(fastmem_stats_slot(heap, fastmem_slot(), &slot) == 0);
  CHECK(slot.cached == 0);
  CHECK(after.alloc_total == before.alloc_total);
  CHECK(after.free_total == before.free_total);
  CHECK(after.bytes_backing == before.bytes_backing);
  fastmem_flush(heap);  // nothing left: nothing happens
  CHECK(heap.class_stats(64).alloc_cache_misses == 1);
}

TEST_CASE("flush leaves other threads' caches alone") {
  const CHeap heap;
  heap.free(heap.alloc(64));
  std::thread([&] { fastmem_flush(heap); }).join();
  CHECK(heap.stats().bytes_cached > 0);
}

TEST_CASE("a heap that is used again after trim") {
  const CHeap heap;
  for (int round = 0; round < 5; ++round) {
    std::vector<void*> objects(2000);
    REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), 2000, 4000, 0, FASTMEM_ZERO, FASTMEM_NODE_ANY) == 0);
    REQUIRE(heap.free_all(objects) == 0);
    const std::size_t held = heap.stats().bytes_backing;
    CHECK(held >= 8 * kMegabyte);
    CHECK(fastmem_trim(heap) == held);
    CHECK(heap.stats().bytes_backing == 0);
    CHECK(heap.stats().regions == 0);
    CHECK(heap.stats().bytes_cached == 0);
    CHECK(fastmem_trim(heap) == 0);
  }
  CHECK(heap.stats().alloc_total == 10000);
  CHECK(heap.stats().free_total == 10000);
}

TEST_CASE("trim leaves live objects and their regions") {
  const CHeap heap;
  auto* const p = static_cast<char*>(heap.alloc(100));
  p[0] = 'x';
  std::vector<void*> objects(3000);
  REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), 3000, 4000, 0, 0, FASTMEM_NODE_ANY) == 0);
  REQUIRE(heap.free_all(objects) == 0);
  CHECK(fastmem_trim(heap) > 0);
  CHECK(heap.stats().regions == 1);
  CHECK(p[0] == 'x');
  CHECK(heap.free(p) == 0);
}

}  // namespace
}  // namespace fastmem
