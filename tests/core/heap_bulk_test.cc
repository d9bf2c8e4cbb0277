// SPDX-License-Identifier: BSD-3-Clause
// Many objects in one call: all or nothing, the caller's array untouched on failure, and any mixture on the way out.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "tests/core/test_heap.h"
#include "tests/support/log_capture.h"

namespace fastmem::core {
namespace {

bool distinct(const std::vector<void*>& objects) {
  const std::set<void*> all(objects.begin(), objects.end());
  return all.size() == objects.size() && all.count(nullptr) == 0;
}

TEST_CASE("from none to many times the caches, with a size and with a handle") {
  const TestHeap heap;
  Result<Handle> handle = heap->handle(100, 0, kAnyNode);
  REQUIRE(handle.ok());
  for (const std::size_t n : {0, 1, 2, 63, 127, 128, 129, 255, 300, 511, 512, 513, 5000}) {
    INFO(n);
    std::vector<void*> by_size(n);
    std::vector<void*> by_handle(n);
    REQUIRE(heap->alloc_bulk(by_size.data(), n, 100, 0, 0, kAnyNode) == ErrorCode::kOk);
    REQUIRE(heap->alloc_bulk(*handle, by_handle.data(), n, 0) == ErrorCode::kOk);
    std::vector<void*> both = by_size;
    both.insert(both.end(), by_handle.begin(), by_handle.end());
    CHECK(distinct(both));
    for (void* const p : both) REQUIRE(heap->usable_size(p) == 112);
    heap.check_laws(2 * n);
    CHECK(heap->free_bulk(by_size.data(), n) == ErrorCode::kOk);
    CHECK(heap->free_bulk(*handle, by_handle.data(), n) == ErrorCode::kOk);
    heap.check_laws(0);
  }
  CHECK(heap->stats().misuses == 0);
}

TEST_CASE("zeroed, aligned, on a node") {
  TestHeap::Setup setup;
  setup.nodes = {0, 1};
  TestHeap heap(setup);
  for (unsigned round = 0; round < 2; ++round) {
    std::vector<void*> all(600);
    REQUIRE(heap->alloc_bulk(all.data(), all.size(), 200, 128, kZero | kStrict, node(1)) == ErrorCode::kOk);
    for (void* const p : all) {
      REQUIRE(aligned(p, 128));
      REQUIRE(all_bytes(p, 200, 0));
      REQUIRE(heap.backing.node_of(p) == node(1));
      std::memset(p, 0xaa, 200);
    }
    CHECK(heap->free_bulk(all.data(), all.size()) == ErrorCode::kOk);
    Result<Handle> handle = heap->handle(200, 128, node(1));
    REQUIRE(heap->alloc_bulk(*handle, all.data(), all.size(), kZero) == ErrorCode::kOk);
    for (void* const p : all) {
      REQUIRE(all_bytes(p, heap->usable_size(p), 0));
      std::memset(p, 0xaa, 200);
    }
    CHECK(heap->free_bulk(*handle, all.data(), all.size()) == ErrorCode::kOk);
  }
}

TEST_CASE("what cannot be had whole is not had at all, and the array stays as it was") {
  TestHeap::Setup setup;
  setup.config.region_size = kMiB * 2;
  TestHeap heap(setup);
  heap.backing.cap(node(0), kMiB * 4);
  Result<Handle> handle = heap->handle(4000, 0, kAnyNode);
  for (const std::size_t n : {500, 512, 900, 1100, 5000, 100'000}) {
    INFO(n);
    const bool fits = n * 4096 <= (kMiB * 4).rep;
    std::vector<void*> ptrs(n, &setup);
    const ErrorCode code = heap->alloc_bulk(ptrs.data(), n, 4000, 0, 0, kAnyNode);
    CHECK(code == (fits ? ErrorCode::kOk : ErrorCode::kNoMemory));
    if (fits) {
      CHECK(distinct(ptrs));
      CHECK(heap->free_bulk(ptrs.data(), n) == ErrorCode::kOk);
    } else {
      CHECK(last_error().code == ErrorCode::kNoMemory);
      CHECK(std::all_of(ptrs.begin(), ptrs.end(), [&](void* p) { return p == &setup; }));
      CHECK(heap->alloc_bulk(*handle, ptrs.data(), n, 0) == ErrorCode::kNoMemory);
      CHECK(std::all_of(ptrs.begin(), ptrs.end(), [&](void* p) { return p == &setup; }));
    }
    heap.check_laws(0);
  }
  // All of it can still be had.
  std::vector<void*> all(1024);
  CHECK(heap->alloc_bulk(all.data(), all.size(), 4000, 0, 0, kAnyNode) == ErrorCode::kOk);
  CHECK(heap->alloc(4000) == nullptr);
  CHECK(heap->free_bulk(all.data(), all.size()) == ErrorCode::kOk);
}

TEST_CASE("numbers of objects beyond any memory are refused without a look") {
  const TestHeap heap;
  void* one = &one;
  for (unsigned shift = 30; shift < sizeof(std::size_t) * 8; ++shift) {
    INFO(shift);
    CHECK(heap->alloc_bulk(&one, std::size_t{1} << shift, kMaxSize, 0, 0, kAnyNode) == ErrorCode::kNoMemory);
  }
  CHECK(heap->alloc_bulk(&one, std::numeric_limits<std::size_t>::max(), 16, 0, 0, kAnyNode) == ErrorCode::kNoMemory);
  CHECK(one == &one);
  heap.check_laws(0);
}

TEST_CASE("no array: only for no objects") {
  const TestHeap heap;
  Result<Handle> handle = heap->handle(100, 0, kAnyNode);
  CHECK(heap->alloc_bulk(nullptr, 0, 100, 0, 0, kAnyNode) == ErrorCode::kOk);
  CHECK(heap->alloc_bulk(*handle, nullptr, 0, 0) == ErrorCode::kOk);
  CHECK(heap->free_bulk(nullptr, 0) == ErrorCode::kOk);
  CHECK(heap->free_bulk(*handle, nullptr, 0) == ErrorCode::kOk);
  CHECK(heap->alloc_bulk(nullptr, 1, 100, 0, 0, kAnyNode) == ErrorCode::kInvalid);
  CHECK(heap->alloc_bulk(*handle, nullptr, 1, 0) == ErrorCode::kInvalid);
  CHECK(heap->free_bulk(nullptr, 1) == ErrorCode::kInvalid);
  CHECK(heap->free_bulk(*handle, nullptr, 1) == ErrorCode::kInvalid);
}

TEST_CASE("a mixed free: any sizes and nodes, NULLs skipped, the first error told, the others freed") {
  TestHeap::Setup setup;
  setup.nodes = {0, 1, 2};
  TestHeap heap(setup);
  std::vector<void*> all;
  for (unsigned i = 0; i < 1000; ++i) {
    all.push_back(i % 10 == 0 ? nullptr : heap->alloc_with(1 + i * 37, 0, 0, node(i % 3)));
  }
  heap.check_laws(900);
  CHECK(heap->free_bulk(all.data(), all.size()) == ErrorCode::kOk);
  heap.check_laws(0);

  const test::LogCapture log;
  int outside = 0;
  void* const with_error[] = {heap->alloc(10), &outside, heap->alloc(20), nullptr, heap->alloc(30)};
  CHECK(heap->free_bulk(with_error, 5) == ErrorCode::kForeignPointer);
  CHECK(log.count(LogLevel::kError, "foreign pointer freed: ") == 1);
  CHECK(heap->stats().in_use == Bytes{});
}

TEST_CASE("a bulk call with a size from a cache that has less than asked, but more than nothing") {
  const TestHeap heap;
  std::vector<void*> kept;
  for (unsigned i = 0; i < 100; ++i) kept.push_back(heap->alloc(64));  // leaves 28 of the magazine
  std::vector<void*> more(64);
  REQUIRE(heap->alloc_bulk(more.data(), more.size(), 64, 0, 0, kAnyNode) == ErrorCode::kOk);
  kept.insert(kept.end(), more.begin(), more.end());
  CHECK(distinct(kept));
  heap.check_laws(164);
}

}  // namespace
}  // namespace fastmem::core
