// SPDX-License-Identifier: BSD-3-Clause
// Is every error that fastmem.h documents returned, with its errno and a sentence, and does nothing else change?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::error_text;
using test::says;

constexpr int kNoSuchNode = 63000;

// Runs the call and says which errno it left.
template <class Call>
int errno_of(Call call, bool& failed) {
  errno = 0;
  failed = call() == nullptr;
  return errno;
}

#define CHECK_NULL(call, expected_errno, text)                         \
  do {                                                                 \
    bool failed = false;                                               \
    CHECK(errno_of([&] { return call; }, failed) == (expected_errno)); \
    CHECK(failed);                                                     \
    CHECK_MESSAGE(says(error_text(), text), error_text());             \
  } while (false)

#define CHECK_INT(call, expected, text)                    \
  do {                                                     \
    CHECK((call) == (expected));                           \
    CHECK_MESSAGE(says(error_text(), text), error_text()); \
  } while (false)

TEST_CASE("a thread without an error has an empty text") {
  std::string text = "?";
  std::thread([&] { text = error_text(); }).join();
  CHECK(text.empty());
}

TEST_CASE("an error belongs to the thread that met it") {
  CHECK(fastmem_alloc(0, 0, 0) == nullptr);
  const std::string mine = error_text();
  std::thread([] { CHECK(fastmem_alloc(SIZE_MAX, 0, 0) == nullptr); }).join();
  CHECK(error_text() == mine);
}

TEST_CASE("allocation by size") {
  const CHeap heap;
  const std::size_t max = std::max(fastmem_max_size(heap), fastmem_max_size(nullptr));
  const int node = test::some_node(heap);
  const auto each = [&](auto alloc) {
    CHECK_NULL(alloc(0, 0, 0), EINVAL, "size 0");
    CHECK_NULL(alloc(0, 16, FASTMEM_ZERO), EINVAL, "size 0");
    CHECK_NULL(alloc(max + 1, 0, 0), E2BIG, "bytes asked");
    CHECK_NULL(alloc(SIZE_MAX, 0, 0), E2BIG, "bytes asked");
    CHECK_NULL(alloc(SIZE_MAX - 7, 64, 0), E2BIG, "bytes asked");
    CHECK_NULL(alloc(std::size_t{1} << 63, 0, 0), E2BIG, "bytes asked");
    CHECK_NULL(alloc(16, 3, 0), EINVAL, "power of two");
    CHECK_NULL(alloc(16, 48, 0), EINVAL, "power of two");
    CHECK_NULL(alloc(16, SIZE_MAX, 0), EINVAL, "power of two");
    CHECK_NULL(alloc(16, max * 2, 0), E2BIG, "alignment");
    CHECK_NULL(alloc(16, std::size_t{1} << 63, 0), E2BIG, "alignment");
    CHECK_NULL(alloc(16, 0, 0x40), EINVAL, "flags");
    CHECK_NULL(alloc(16, 0, UINT_MAX), EINVAL, "flags");
  };
  each([&](std::size_t s, std::size_t a, unsigned f) { return fastmem_alloc(s, a, f); });
  each([&](std::size_t s, std::size_t a, unsigned f) { return heap.alloc(s, a, f); });
  each([&](std::size_t s, std::size_t a, unsigned f) { return fastmem_alloc_on(s, a, f, node); });
  each([&](std::size_t s, std::size_t a, unsigned f) { return fastmem_heap_alloc_on(heap, s, a, f, node); });
  CHECK(heap.stats().alloc_total == 0);
  CHECK(heap.stats().bytes_in_use == 0);
}

TEST_CASE("a node that is not there") {
  const CHeap heap;
  for (const int node : {kNoSuchNode, 65535, 65536, INT_MAX, -2, INT_MIN}) {
    CAPTURE(node);
    void* one[1] = {};
    fastmem_handle_t handle = 0;
    const std::string name = "node " + std::to_string(node);
    CHECK_NULL(fastmem_alloc_on(16, 0, 0, node), ENODEV, name);
    CHECK_NULL(fastmem_heap_alloc_on(heap, 16, 0, 0, node), ENODEV, name);
    CHECK_INT(fastmem_heap_alloc_bulk(heap, one, 1, 16, 0, 0, node), -ENODEV, name);
    CHECK_INT(fastmem_handle(heap, 16, 0, node, &handle), -ENODEV, name);
    CHECK_INT(fastmem_reserve(heap, 16, node), -ENODEV, name);
    CHECK_INT(fastmem_set_floor(heap, 16, node), -ENODEV, name);
    CHECK_INT(fastmem_set_watermarks(heap, 16, FASTMEM_UNLIMITED, node), -ENODEV, name);
    CHECK_INT(fastmem_set_limit(heap, 16, node), -ENODEV, name);
    CHECK(fastmem_get_limit(heap, node) == 0);
    fastmem_node_stats_t stats = {};
    stats.struct_size = sizeof(stats);
    CHECK_INT(fastmem_stats_node(heap, node, &stats), -EINVAL, name);
    CHECK(handle == 0);
    CHECK(one[0] == nullptr);
  }
  CHECK(heap.stats().bytes_backing == 0);
}

TEST_CASE("bulk: the array stays untouched") {
  const CHeap heap;
  void* mark = &mark;
  std::vector<void*> objects(8, mark);
  const auto bulk = [&](std::size_t size, std::size_t align, unsigned flags) {
    return fastmem_heap_alloc_bulk(heap, objects.data(), 8, size, align, flags, FASTMEM_NODE_ANY);
  };
  CHECK_INT(bulk(0, 0, 0), -EINVAL, "size 0");
  CHECK_INT(bulk(fastmem_max_size(heap) + 1, 0, 0), -E2BIG, "bytes asked");
  CHECK_INT(bulk(16, 24, 0), -EINVAL, "power of two");
  CHECK_INT(bulk(16, fastmem_max_size(heap) * 2, 0), -E2BIG, "alignment");
  CHECK_INT(bulk(16, 0, 0x40), -EINVAL, "flags");
  CHECK_INT(fastmem_alloc_bulk(objects.data(), 8, 0, 0, 0), -EINVAL, "size 0");
  CHECK_INT(fastmem_alloc_bulk(nullptr, 8, 16, 0, 0), -EINVAL, "array");
  CHECK_INT(fastmem_heap_alloc_bulk(heap, objects.data(), SIZE_MAX, 16, 0, 0, FASTMEM_NODE_ANY), -ENOMEM, "");
  CHECK_INT(fastmem_heap_alloc_bulk(heap, objects.data(), SIZE_MAX / 8, 16, 0, 0, FASTMEM_NODE_ANY), -ENOMEM, "");
  CHECK(objects == std::vector<void*>(8, mark));
  CHECK(heap.stats().bytes_in_use == 0);
  CHECK_INT(fastmem_heap_free_bulk(heap, nullptr, 3), -EINVAL, "array");
}

TEST_CASE("handles") {
  const CHeap heap;
  fastmem_handle_t handle = 77;
  CHECK_INT(fastmem_handle(heap, 0, 0, FASTMEM_NODE_ANY, &handle), -EINVAL, "size 0");
  CHECK_INT(fastmem_handle(heap, 16, 3, FASTMEM_NODE_ANY, &handle), -EINVAL, "power of two");
  CHECK_INT(fastmem_handle(heap, test::kMegabyte + 1, 0, FASTMEM_NODE_ANY, &handle), -E2BIG, "bytes asked");
  CHECK_INT(fastmem_handle(heap, 16, test::kMegabyte * 2, FASTMEM_NODE_ANY, &handle), -E2BIG, "size class");
  CHECK(handle == 77);
  CHECK_INT(fastmem_handle(heap, 16, 0, FASTMEM_NODE_ANY, nullptr), -EINVAL, "handle");
  REQUIRE(fastmem_handle(heap, 16, 0, FASTMEM_NODE_ANY, &handle) == 0);
  CHECK_NULL(fastmem_handle_alloc(heap, handle, 0x40), EINVAL, "flags");
  void* objects[4] = {};
  CHECK_INT(fastmem_handle_alloc_bulk(heap, handle, objects, 4, 0x10), -EINVAL, "flags");
  CHECK_INT(fastmem_handle_alloc_bulk(heap, handle, nullptr, 4, 0), -EINVAL, "array");
  CHECK_INT(fastmem_handle_free_bulk(heap, handle, nullptr, 4), -EINVAL, "array");
  void* const p = fastmem_handle_alloc(heap, handle, 0);
  REQUIRE(p != nullptr);
  for (const fastmem_handle_t wrong : {0u, 79u, 80u, 65535u, 65536u, handle + 65536u, 0x80000001u, UINT32_MAX}) {
    CAPTURE(wrong);
    CHECK_NULL(fastmem_handle_alloc(heap, wrong, 0), EINVAL, "handle");
    CHECK_NULL(fastmem_handle_alloc(heap, wrong, FASTMEM_ZERO), EINVAL, "handle");
    CHECK_INT(fastmem_handle_alloc_bulk(heap, wrong, objects, 4, 0), -EINVAL, "handle");
    CHECK_INT(fastmem_handle_free(heap, wrong, p), -EINVAL, "handle");
    void* const bulk[1] = {p};
    CHECK_INT(fastmem_handle_free_bulk(heap, wrong, bulk, 1), -EINVAL, "handle");
  }
  CHECK(objects[0] == nullptr);
  CHECK(heap.stats().bytes_in_use == 16);
  CHECK(fastmem_handle_free(heap, handle, p) == 0);
}

TEST_CASE("realloc: the old object stays") {
  const CHeap heap;
  auto* const p = static_cast<char*>(heap.alloc(100));
  p[99] = 42;
  CHECK_NULL(fastmem_heap_realloc(heap, p, fastmem_max_size(heap) + 1, 0), E2BIG, "bytes asked");
  CHECK_NULL(fastmem_heap_realloc(heap, p, 200, 3), EINVAL, "power of two");
  CHECK_NULL(fastmem_heap_realloc(heap, p, 200, fastmem_max_size(heap) * 2), E2BIG, "alignment");
  CHECK_NULL(fastmem_heap_realloc(heap, nullptr, 0, 0), EINVAL, "size 0");
  REQUIRE(fastmem_set_limit(heap, 0, FASTMEM_NODE_ANY) == 0);
  heap.alloc_all(test::kMegabyte);
  CHECK_NULL(fastmem_heap_realloc(heap, p, test::kMegabyte, 0), ENOMEM, "limit");
  CHECK(p[99] == 42);
  CHECK(heap.free(p) == 0);
}

TEST_CASE("no memory") {
  const CHeap heap;
  REQUIRE(fastmem_set_limit(heap, 0, FASTMEM_NODE_ANY) == 0);
  CHECK_NULL(heap.alloc(16), ENOMEM, "limit");
  CHECK_NULL(heap.alloc(16, 64, FASTMEM_ZERO), ENOMEM, "limit");
  CHECK_NULL(fastmem_heap_alloc_on(heap, 16, 0, FASTMEM_STRICT, test::some_node(heap)), ENOMEM, "limit");
  void* one[1] = {};
  CHECK_INT(fastmem_heap_alloc_bulk(heap, one, 1, 16, 0, 0, FASTMEM_NODE_ANY), -ENOMEM, "limit");
  fastmem_handle_t handle = 0;
  REQUIRE(fastmem_handle(heap, 16, 0, FASTMEM_NODE_ANY, &handle) == 0);
  CHECK_NULL(fastmem_handle_alloc(heap, handle, 0), ENOMEM, "limit");
  CHECK_INT(fastmem_handle_alloc_bulk(heap, handle, one, 1, 0), -ENOMEM, "limit");
  CHECK_INT(fastmem_reserve(heap, test::kMegabyte, FASTMEM_NODE_ANY), -ENOMEM, "limit");
  CHECK(one[0] == nullptr);
  CHECK(heap.stats().alloc_nomem == 6);
  CHECK(heap.stats().alloc_total == 0);
}

TEST_CASE("configurations") {
  const auto refused = [](auto change, int expected, const std::string& text) {
    fastmem_config_t config = test::small_config();
    change(config);
    CHECK_NULL(fastmem_heap_create(&config), expected, text);
  };
  refused([](fastmem_config_t& c) { c.struct_size = 0; }, EINVAL, "config");
  refused([](fastmem_config_t& c) { c.struct_size = 8; }, EINVAL, "config");
  refused([](fastmem_config_t& c) { c.pages = 5; }, EINVAL, "value");
  refused([](fastmem_config_t& c) { c.iova_mode = 4; }, EINVAL, "value");
  refused([](fastmem_config_t& c) { c.profile = 2; }, EINVAL, "value");
  refused([](fastmem_config_t& c) { c.misuse = 2; }, EINVAL, "value");
  for (const std::size_t align : {0, 1, 8, 24, 100, 8192}) {
    refused([&](fastmem_config_t& c) { c.default_align = align; }, EINVAL, "alignment " + std::to_string(align));
  }
  refused([](fastmem_config_t& c) { c.region_size = 0; }, EINVAL, "region size");
  refused([](fastmem_config_t& c) { c.region_size = SIZE_MAX; }, EINVAL, "region size");
}

TEST_CASE("more address space than there is: what there is") {
  for (const std::size_t size : {std::size_t{1} << 48, std::size_t{1} << 60, SIZE_MAX - 1, SIZE_MAX}) {
    fastmem_config_t config = test::small_config();
    config.address_space = size;
    const CHeap heap(config);
    void* const p = heap.alloc(100);
    CHECK_MESSAGE(p != nullptr, error_text());
    CHECK(heap.free(p) == 0);
  }
}

TEST_CASE("destroying what is no heap") {
  char memory[64] = {};
  CHECK_INT(fastmem_heap_destroy(nullptr), -EINVAL, "no heap");
  CHECK_INT(fastmem_heap_destroy(reinterpret_cast<fastmem_heap_t*>(memory)), -EINVAL, "no heap");
  const fastmem_config_t config = test::small_config();
  fastmem_heap_t* const heap = fastmem_heap_create(&config);
  REQUIRE(heap != nullptr);
  CHECK(fastmem_heap_destroy(heap) == 0);
  CHECK_INT(fastmem_heap_destroy(heap), -EINVAL, "no heap");
}

TEST_CASE("statistics") {
  const CHeap heap;
  const unsigned slot = fastmem_slot();
  heap.free(heap.alloc(16));
  fastmem_stats_t all = {};
  fastmem_class_stats_t k = {};
  fastmem_slot_stats_t s = {};
  fastmem_node_stats_t n = {};
  CHECK_INT(fastmem_stats(heap, nullptr), -EINVAL, "struct");
  CHECK_INT(fastmem_stats(heap, &all), -EINVAL, "struct_size");
  CHECK_INT(fastmem_stats_class(heap, 16, nullptr), -EINVAL, "struct");
  CHECK_INT(fastmem_stats_class(heap, 16, &k), -EINVAL, "struct_size");
  CHECK_INT(fastmem_stats_slot(heap, slot, nullptr), -EINVAL, "struct");
  CHECK_INT(fastmem_stats_slot(heap, slot, &s), -EINVAL, "struct_size");
  CHECK_INT(fastmem_stats_slot_class(heap, slot, 16, &s), -EINVAL, "struct_size");
  CHECK_INT(fastmem_stats_node(heap, test::some_node(heap), &n), -EINVAL, "struct_size");
  k.struct_size = sizeof(k);
  s.struct_size = sizeof(s);
  n.struct_size = sizeof(n);
  for (const std::size_t size : {std::size_t{0}, std::size_t{15}, std::size_t{17}, 2 * test::kMegabyte, SIZE_MAX}) {
    CHECK_INT(fastmem_stats_class(heap, size, &k), -EINVAL, "no class");
    CHECK_INT(fastmem_stats_slot_class(heap, slot, size, &s), -EINVAL, "no class");
  }
  for (const unsigned wrong : {fastmem_max_slots() - 1, fastmem_max_slots(), UINT_MAX}) {
    CHECK_INT(fastmem_stats_slot(heap, wrong, &s), -EINVAL, "slot");
    CHECK_INT(fastmem_stats_slot_class(heap, wrong, 16, &s), -EINVAL, "slot");
  }
  CHECK_INT(fastmem_stats_node(heap, FASTMEM_NODE_ANY, &n), -EINVAL, "node");
}

}  // namespace
}  // namespace fastmem
