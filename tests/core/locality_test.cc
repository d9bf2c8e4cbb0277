// SPDX-License-Identifier: BSD-3-Clause
// Neighbours in time are neighbours in memory: a fresh slab hands out ascending addresses, whatever the cache takes at a
// time, and a refill from slabs with holes takes the lowest holes of one slab, ascending.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kSizes[] = {16, 48, 64, 256, 1280, 4096, 65536};

// Of objects, one after another: how many lie right behind the one before them.
std::size_t followers(const std::vector<std::byte*>& objects, std::size_t size) {
  std::size_t n = 0;
  for (std::size_t i = 1; i < objects.size(); ++i) n += objects[i] == objects[i - 1] + size ? 1 : 0;
  return n;
}

std::vector<std::byte*> take(Heap& heap, std::size_t size, std::size_t n) {
  std::vector<std::byte*> objects;
  while (objects.size() < n) {
    objects.push_back(static_cast<std::byte*>(heap.alloc(size)));
    REQUIRE(objects.back() != nullptr);
  }
  return objects;
}

void give(Heap& heap, const std::vector<std::byte*>& objects) {
  for (std::byte* const p : objects) CHECK(heap.free(p) == ErrorCode::kOk);
}

std::size_t per_slab(const TestHeap& heap, std::size_t size) {
  const Result<ClassStats> stats = heap->class_stats(size);
  REQUIRE(stats.ok());
  return stats.value().objects_per_slab;
}

TEST_CASE("fresh slabs hand out ascending neighbours, and the next slab lies behind the one before it") {
  for (const std::size_t size : kSizes) {
    INFO(size);
    TestHeap heap;
    const std::size_t slab = per_slab(heap, size);
    constexpr std::size_t kSlabs = 3;
    const std::vector<std::byte*> objects = take(*heap.heap, size, kSlabs * slab);
    CHECK(std::is_sorted(objects.begin(), objects.end()));
    CHECK(followers(objects, size) >= kSlabs * (slab - 1));
    give(*heap.heap, objects);
  }
}

TEST_CASE("a refill takes the holes of one slab, lowest first, before it looks into another") {
  for (const std::size_t size : kSizes) {
    INFO(size);
    TestHeap heap;
    const std::size_t slab = per_slab(heap, size);
    std::vector<std::byte*> objects = take(*heap.heap, size, 3 * slab);
    std::vector<std::byte*> kept;
    std::vector<std::byte*> freed;  // every second one, in an order that has nothing to do with their places
    for (std::size_t i = 0; i < objects.size(); ++i) (i % 2 == 0 ? kept : freed).push_back(objects[i]);
    for (std::size_t i = 0; i < freed.size(); ++i) std::swap(freed[i], freed[i * 7919 % freed.size()]);
    give(*heap.heap, freed);
    heap->flush();  // caches and depot go back into the slabs

    const std::vector<std::byte*> again = take(*heap.heap, size, freed.size());
    std::vector<std::byte*> holes = freed;
    std::sort(holes.begin(), holes.end());
    std::size_t descents = 0;
    for (std::size_t i = 1; i < again.size(); ++i) descents += again[i] < again[i - 1] ? 1 : 0;
    CHECK(descents <= 2);  // from one of the three slabs to another that lies before it
    std::vector<std::byte*> sorted = again;
    std::sort(sorted.begin(), sorted.end());
    CHECK(sorted == holes);
    give(*heap.heap, again);
    give(*heap.heap, kept);
  }
}

}  // namespace
}  // namespace fastmem::core
