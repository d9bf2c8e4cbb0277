// SPDX-License-Identifier: BSD-3-Clause
// Does a heap cost the memory it says, no more than its objects need, and nothing once they are gone?
#include <doctest/doctest.h>
#include <fastmem.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::kMegabyte;

// Of this process, in bytes.
std::size_t resident() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t pages = 0;
  statm >> size >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::size_t grown_since(std::size_t before) {
  const std::size_t now = resident();
  return now > before ? now - before : 0;
}

TEST_CASE("a heap that is not used costs less than a megabyte") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's shadow memory is resident, too");
  { const CHeap first; }  // what the process needs once
  const std::size_t before = resident();
  const CHeap heap;
  CHECK(grown_since(before) < kMegabyte);
  CHECK(heap.stats().bytes_metadata < kMegabyte);
  CHECK(heap.stats().bytes_backing == 0);
}

TEST_CASE("objects cost their class and a few per cent") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's shadow memory is resident, too");
  for (const std::size_t size : {64, 1024, 16384, 262144}) {
    CAPTURE(size);
    const CHeap heap;
    const std::size_t total = 64 * kMegabyte;
    std::vector<void*> objects(total / size);
    const std::size_t before = resident();
    for (void*& p : objects) {
      p = heap.alloc(size);
      REQUIRE(p != nullptr);
      std::memset(p, 1, size);
    }
    const fastmem_stats_t stats = heap.stats();
    CHECK(stats.bytes_in_use == total);
    CHECK(stats.bytes_slabs < total + total / 20);
    CHECK(stats.bytes_metadata < kMegabyte + total / 50);
    CHECK(grown_since(before) < total + total / 10);
    CHECK(grown_since(before) > total - total / 10);  // else nothing was measured
    CHECK(heap.free_all(objects) == 0);
    CHECK(fastmem_trim(heap) >= total);
    CHECK(grown_since(before) < 2 * kMegabyte + total / 50);
  }
}

TEST_CASE("what threads hoard is bounded") {
  const CHeap heap;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&heap] {
      std::vector<void*> objects(20000);
      for (int round = 0; round < 3; ++round) {
        REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), objects.size(), 1024, 0, 0, FASTMEM_NODE_ANY) == 0);
        REQUIRE(heap.free_all(objects) == 0);
      }
      CHECK(heap.stats().bytes_cached < 16 * kMegabyte);  // of the 80 MiB that the four had
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(heap.stats().bytes_cached < 8 * kMegabyte);
  CHECK(heap.stats().bytes_in_use == 0);
}

TEST_CASE("a hundred heaps, made and destroyed, leave nothing behind") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's shadow memory is resident, too");
  const auto use_one = [] {
    const CHeap heap;
    void* const p = heap.alloc(kMegabyte);
    REQUIRE(p != nullptr);
    std::memset(p, 1, kMegabyte);
    heap.alloc(64);
  };
  for (int i = 0; i < 5; ++i) use_one();
  const std::size_t before = resident();
  for (int i = 0; i < 100; ++i) use_one();
  CHECK(grown_since(before) < kMegabyte / 2);
}

}  // namespace
}  // namespace fastmem
