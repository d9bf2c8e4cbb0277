// SPDX-License-Identifier: BSD-3-Clause
// Does every function of fastmem.h do what it says, for those who use it as intended?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;

bool all_bytes(const void* p, unsigned char value, std::size_t n) {
  const auto* const bytes = static_cast<const unsigned char*>(p);
  return std::all_of(bytes, bytes + n, [&](unsigned char b) { return b == value; });
}

// Before any other test makes it with the defaults, which are the machine's best pages.
[[maybe_unused]] const int g_made = [] {
  const fastmem_config_t config = test::small_config();
  return fastmem_init(&config);
}();

TEST_CASE("the default heap is one, and cannot be made again or destroyed") {
  fastmem_heap_t* const heap = fastmem_default_heap();
  REQUIRE(heap != nullptr);
  CHECK(g_made == 0);
  CHECK(fastmem_default_heap() == heap);
  CHECK(fastmem_init(nullptr) == -EBUSY);
  CHECK(fastmem_heap_destroy(heap) == -EINVAL);
  void* const p = fastmem_alloc(24, 0, 0);
  REQUIRE(p != nullptr);
  CHECK(fastmem_heap_usable_size(heap, p) == fastmem_usable_size(p));
  CHECK(fastmem_heap_free(heap, p) == 0);
  void* const q = fastmem_heap_alloc(nullptr, 24, 0, 0);  // NULL stands for it
  REQUIRE(q != nullptr);
  CHECK(fastmem_free_sized(q, 24) == 0);
}

TEST_CASE("objects of every size up to the largest are usable whole and do not overlap") {
  const CHeap heap;
  const std::size_t max = test::kMegabyte * 20;
  std::vector<std::pair<unsigned char*, std::size_t>> objects;
  for (std::size_t size = 1; size <= max; size += size < 300 ? 1 : size / 5) {
    auto* const p = static_cast<unsigned char*>(heap.alloc(size));
    REQUIRE(p != nullptr);
    const std::size_t usable = fastmem_heap_usable_size(heap, p);
    CHECK(usable >= size);
    std::memset(p, static_cast<int>(size % 251), usable);
    objects.emplace_back(p, size);
  }
  REQUIRE(heap.alloc(max) != nullptr);
  for (const auto& [p, size] : objects) {
    CHECK(all_bytes(p, static_cast<unsigned char>(size % 251), fastmem_heap_usable_size(heap, p)));
    CHECK(heap.free(p) == 0);
  }
}

TEST_CASE("FASTMEM_ZERO clears what an object held before") {
  const CHeap heap;
  for (const std::size_t size : {1, 16, 100, 4096, 70000, 1 << 20}) {
    void* const dirty = heap.alloc(size);
    REQUIRE(dirty != nullptr);
    std::memset(dirty, 0xee, size);
    heap.free(dirty);
    void* const clean = heap.alloc(size, 0, FASTMEM_ZERO);
    REQUIRE(clean != nullptr);
    CHECK(clean == dirty);  // else this test shows nothing
    CHECK(all_bytes(clean, 0, size));
    heap.free(clean);
  }
}

TEST_CASE("a bulk with FASTMEM_ZERO is clear throughout") {
  const CHeap heap;
  std::vector<void*> objects(300);
  for (int round = 0; round < 2; ++round) {
    REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), 300, 200, 0, FASTMEM_ZERO, FASTMEM_NODE_ANY) == 0);
    for (void* const p : objects) {
      CHECK(all_bytes(p, 0, 200));
      std::memset(p, 0xdd, 200);
    }
    REQUIRE(heap.free_all(objects) == 0);
  }
}

TEST_CASE("an allocation on a node, preferred and strict") {
  const CHeap heap;
  const int node = test::some_node(heap);
  for (const unsigned flags : {0u, FASTMEM_STRICT, FASTMEM_STRICT | FASTMEM_ZERO}) {
    void* const p = fastmem_heap_alloc_on(heap, 500, 0, flags, node);
    REQUIRE(p != nullptr);
    CHECK(heap.free(p) == 0);
  }
  void* const any = fastmem_heap_alloc_on(heap, 500, 0, FASTMEM_STRICT, FASTMEM_NODE_ANY);  // the caller's
  CHECK(any != nullptr);
  CHECK(heap.free(any) == 0);
  void* const q = fastmem_alloc_on(500, 0, FASTMEM_STRICT, node);
  REQUIRE(q != nullptr);
  CHECK(fastmem_free(q) == 0);
}

TEST_CASE("freeing NULL is no error, anywhere") {
  const CHeap heap;
  CHECK(fastmem_free(nullptr) == 0);
  CHECK(fastmem_free_sized(nullptr, 16) == 0);
  CHECK(fastmem_heap_free(heap, nullptr) == 0);
  CHECK(fastmem_heap_free_sized(heap, nullptr, 16) == 0);
  CHECK(fastmem_usable_size(nullptr) == 0);
  CHECK(fastmem_heap_usable_size(heap, nullptr) == 0);
  void* const nothing[3] = {};
  CHECK(fastmem_heap_free_bulk(heap, nothing, 3) == 0);
  CHECK(fastmem_heap_free_bulk(heap, nullptr, 0) == 0);
  CHECK(heap.stats().free_total == 0);
  CHECK(heap.stats().misuse == 0);
}

TEST_CASE("free_sized takes the size that was asked, whatever class served it") {
  const CHeap heap;
  for (std::size_t size = 1; size <= test::kMegabyte * 50; size += 1 + size / 3) {
    void* const p = heap.alloc(size);
    REQUIRE(p != nullptr);
    CHECK(fastmem_heap_free_sized(heap, p, size) == 0);
  }
  fastmem_flush(heap);
  CHECK(heap.stats().misuse == 0);
  CHECK(heap.stats().bytes_in_use == 0);
}

TEST_CASE("realloc: from nothing, larger, smaller, and to nothing") {
  const CHeap heap;
  auto* p = static_cast<char*>(fastmem_heap_realloc(heap, nullptr, 100, 0));
  REQUIRE(p != nullptr);
  for (int i = 0; i < 100; ++i) p[i] = static_cast<char>(i);
  p = static_cast<char*>(fastmem_heap_realloc(heap, p, 100000, 0));
  REQUIRE(p != nullptr);
  bool kept = true;
  for (int i = 0; i < 100; ++i) kept &= p[i] == static_cast<char>(i);
  CHECK(kept);
  p = static_cast<char*>(fastmem_heap_realloc(heap, p, 10, 0));
  REQUIRE(p != nullptr);
  for (int i = 0; i < 10; ++i) kept &= p[i] == static_cast<char>(i);
  CHECK(kept);
  CHECK(heap.stats().bytes_in_use < 1000);  // a tenth of a per mille does not keep the large one
  p = static_cast<char*>(fastmem_heap_realloc(heap, p, 10, 4096));
  CHECK(reinterpret_cast<std::uintptr_t>(p) % 4096 == 0);
  CHECK(p[9] == 9);
  CHECK(fastmem_heap_realloc(heap, p, 0, 0) == nullptr);
  CHECK(heap.stats().bytes_in_use == 0);
  auto* const q = static_cast<char*>(fastmem_realloc(nullptr, 40, 0));
  REQUIRE(q != nullptr);
  CHECK(fastmem_realloc(q, fastmem_usable_size(q), 0) == q);  // it fits where it is
  CHECK(fastmem_realloc(q, 0, 0) == nullptr);
}

TEST_CASE("a bulk of any number, and a bulk free of any sizes in any order") {
  const CHeap heap;
  std::set<void*> seen;
  std::vector<void*> all;
  for (const std::size_t n : {0, 1, 31, 32, 33, 127, 128, 129, 1000, 5000}) {
    std::vector<void*> objects(n);
    REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), n, 8 + n / 4, 0, 0, FASTMEM_NODE_ANY) == 0);
    seen.insert(objects.begin(), objects.end());
    all.insert(all.end(), objects.begin(), objects.end());
  }
  CHECK(seen.size() == all.size());
  CHECK(heap.stats().alloc_total == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) std::swap(all[i], all[i * 7919 % all.size()]);
  all.insert(all.begin() + 17, nullptr);  // skipped
  CHECK(heap.free_all(all) == 0);
  CHECK(heap.stats().free_total == all.size() - 1);
  CHECK(heap.stats().bytes_in_use == 0);
}

TEST_CASE("a handle serves its class, also in bulk and from another thread") {
  const CHeap heap;
  fastmem_handle_t handle = 0;
  REQUIRE(fastmem_handle(heap, 100, 64, FASTMEM_NODE_ANY, &handle) == 0);
  CHECK(handle != 0);
  auto* const p = static_cast<unsigned char*>(fastmem_handle_alloc(heap, handle, 0));
  REQUIRE(p != nullptr);
  const std::size_t class_size = fastmem_heap_usable_size(heap, p);
  CHECK(class_size >= 100);
  CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
  std::memset(p, 0xcc, class_size);
  CHECK(fastmem_handle_free(heap, handle, p) == 0);
  void* const z = fastmem_handle_alloc(heap, handle, FASTMEM_ZERO | FASTMEM_STRICT);
  CHECK(z == p);
  CHECK(all_bytes(z, 0, class_size));  // all of its class, as nobody knows what was asked
  std::vector<void*> objects(1000);
  REQUIRE(fastmem_handle_alloc_bulk(heap, handle, objects.data(), 1000, FASTMEM_ZERO) == 0);
  std::thread([&] {
    CHECK(fastmem_handle_free_bulk(heap, handle, objects.data(), 1000) == 0);
    CHECK(fastmem_handle_free(heap, handle, z) == 0);
    CHECK(fastmem_handle_free(heap, handle, nullptr) == 0);
  }).join();
  CHECK(heap.class_stats(class_size).in_use == 0);
  CHECK(heap.stats().misuse == 0);
}

TEST_CASE("handles and calls by size share their objects") {
  const CHeap heap;
  fastmem_handle_t handle = 0;
  REQUIRE(fastmem_handle(heap, 256, 0, test::some_node(heap), &handle) == 0);
  void* const p = fastmem_handle_alloc(heap, handle, 0);
  CHECK(heap.free(p) == 0);
  void* const q = heap.alloc(256);
  CHECK(q == p);
  CHECK(fastmem_handle_free(heap, handle, q) == 0);
  fastmem_handle_t again = 0;
  REQUIRE(fastmem_handle(heap, 250, 0, test::some_node(heap), &again) == 0);
  CHECK(again == handle);
}

TEST_CASE("classes ascend, each serves its own size exactly, the last is the largest size") {
  for (const unsigned profile : {FASTMEM_PROFILE_FINE, FASTMEM_PROFILE_RFC}) {
    fastmem_config_t config = test::small_config();
    config.profile = profile;
    const CHeap heap(config);
    const std::vector<std::size_t> classes = heap.classes();
    REQUIRE(!classes.empty());
    CHECK(classes.size() == heap.stats().classes);
    CHECK(std::is_sorted(classes.begin(), classes.end()));
    CHECK(classes.back() == test::kMegabyte);
    CHECK(classes.front() == (profile == FASTMEM_PROFILE_FINE ? 16 : 8));
    if (profile == FASTMEM_PROFILE_RFC) CHECK(classes.size() == 18);
    for (const std::size_t size : classes) {
      void* const p = heap.alloc(size);
      REQUIRE(p != nullptr);
      CHECK(fastmem_heap_usable_size(heap, p) == (size < 16 ? 16 : size));  // 16 is the least alignment
      heap.free(p);
    }
  }
}

TEST_CASE("heaps do not share objects") {
  const CHeap one;
  const CHeap other;
  void* const p = one.alloc(64);
  void* const q = other.alloc(64);
  CHECK(fastmem_heap_usable_size(other, p) == 0);
  CHECK(fastmem_heap_usable_size(one, q) == 0);
  CHECK(one.stats().bytes_in_use == 64);
  CHECK(one.free(p) == 0);
  CHECK(one.stats().bytes_in_use == 0);
  CHECK(other.stats().bytes_in_use == 64);
}

TEST_CASE("slots: each thread has its own while it lives") {
  CHECK(fastmem_max_slots() >= 64);
  const unsigned mine = fastmem_slot();
  CHECK(mine >= 1);
  CHECK(mine < fastmem_max_slots());
  unsigned other = mine;
  std::thread([&] { other = fastmem_slot(); }).join();
  CHECK(other >= 1);
  CHECK(other != mine);
  CHECK(fastmem_slot() == mine);
}

}  // namespace
}  // namespace fastmem
