// SPDX-License-Identifier: BSD-3-Clause
// Named zones through the C interface: every errno, and zones of a heap whose memory the caller brings.
#include <doctest/doctest.h>
#include <fastmem.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <fastmem.hpp>
#include <string>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::error_text;
using test::kMegabyte;

fastmem_zone_t empty() {
  fastmem_zone_t zone = {};
  zone.struct_size = sizeof(zone);
  return zone;
}

int reserve(fastmem_heap_t* heap, const char* name, std::size_t len, std::size_t align = 0, std::size_t bound = 0,
            unsigned flags = 0, int node = FASTMEM_NODE_ANY) {
  return fastmem_zone_reserve(heap, name, len, align, bound, flags, node, nullptr);
}

void collect(const fastmem_zone_t* zone, void* names) {
  static_cast<std::vector<std::string>*>(names)->push_back(zone->name);
}

TEST_CASE("reserve, look up, walk, free") {
  const CHeap heap;
  fastmem_zone_t zone = empty();
  REQUIRE(fastmem_zone_reserve(heap, "ring", 3 * kMegabyte, 4096, 0, FASTMEM_ZERO, FASTMEM_NODE_ANY, &zone) == 0);
  CHECK(std::string(zone.name) == "ring");
  CHECK(zone.len == 3 * kMegabyte);
  CHECK(reinterpret_cast<std::uintptr_t>(zone.addr) % 4096 == 0);
  CHECK(zone.iova == FASTMEM_BAD_IOVA);
  CHECK(zone.page_size == 4096);
  CHECK(zone.node == test::some_node(heap));
  CHECK(zone.flags == FASTMEM_ZERO);
  CHECK(static_cast<char*>(zone.addr)[3 * kMegabyte - 1] == 0);
  CHECK(fastmem_validate(heap, zone.addr, nullptr) == 0);
  fastmem_zone_t again = empty();
  REQUIRE(fastmem_zone_lookup(heap, "ring", &again) == 0);
  CHECK(std::memcmp(&zone, &again, sizeof(zone)) == 0);
  CHECK(fastmem_zone_lookup(heap, "ring", nullptr) == 0);
  CHECK(reserve(heap, "table", 100) == 0);
  std::vector<std::string> names;
  fastmem_zone_walk(heap, collect, &names);
  CHECK(names == std::vector<std::string>{"ring", "table"});
  fastmem_zone_walk(heap, nullptr, nullptr);  // does nothing
  CHECK(fastmem_zone_free(heap, "ring") == 0);
  CHECK(fastmem_zone_free(heap, "ring") == -ENOENT);
  CHECK(fastmem_zone_lookup(heap, "ring", &again) == -ENOENT);
  CHECK(fastmem_zone_free(heap, nullptr) == -ENOENT);
}

TEST_CASE("every errno") {
  const CHeap heap;
  CHECK(reserve(heap, "a", 100) == 0);
  CHECK(reserve(heap, "a", 100) == -EEXIST);
  CHECK(reserve(heap, "", 100) == -EINVAL);
  CHECK(reserve(heap, nullptr, 100) == -EINVAL);
  CHECK(reserve(heap, std::string(32, 'x').c_str(), 100) == -EINVAL);
  CHECK(reserve(heap, "b", 100, 48) == -EINVAL);
  CHECK(reserve(heap, "b", 100, 0, 64) == -EINVAL);
  CHECK(reserve(heap, "b", 100, 0, 300) == -EINVAL);
  CHECK(reserve(heap, "b", 100, 0, 0, 1u << 30) == -EINVAL);
  CHECK(reserve(heap, "b", 100, 0, 0, 0, 999) == -ENODEV);
  CHECK(reserve(heap, "b", 100, 0, 0, 0, -7) == -ENODEV);
  CHECK(reserve(heap, "b", SIZE_MAX / 2) == -E2BIG);
  CHECK(reserve(heap, "b", 5 * kMegabyte, 0, 0, FASTMEM_CONTIGUOUS) == -ENOTSUP);  // without IOVAs
  fastmem_set_limit(heap, 0, FASTMEM_NODE_ANY);
  CHECK(reserve(heap, "b", 64 * kMegabyte) == -ENOMEM);
  fastmem_zone_t unset = {};
  CHECK(fastmem_zone_reserve(heap, "b", 100, 0, 0, 0, FASTMEM_NODE_ANY, &unset) == -EINVAL);
  CHECK(fastmem_zone_lookup(heap, "a", &unset) == -EINVAL);
  CHECK(fastmem_zone_lookup(heap, "b", nullptr) == -ENOENT);
  CHECK(fastmem_zone_largest(heap, 999, 0) == 0);
  CHECK(fastmem_zone_largest(heap, FASTMEM_NODE_ANY, 3) == 0);
  fastmem_set_limit(heap, FASTMEM_UNLIMITED, FASTMEM_NODE_ANY);
  unsigned more = 0;
  int error = 0;
  while ((error = reserve(heap, ("n" + std::to_string(more)).c_str(), 1)) == 0) ++more;
  CHECK(more == 4095);
  CHECK(error == -ENOSPC);
}

TEST_CASE("the largest of memory that the caller brings, contiguous and without growing") {
  fastmem_heap_t* const heap = fastmem_named_heap_create("zones");
  REQUIRE(heap != nullptr);
  void* const memory = mmap(nullptr, 16 * kMegabyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  // The second half is one run in IOVA space, the first has a gap behind each page.
  std::vector<std::uint64_t> iovas;
  for (std::size_t i = 0; i < 4096; ++i) iovas.push_back((i < 2048 ? 2 * i : 8192 + i) << 12);
  REQUIRE(fastmem_heap_memory_add(heap, memory, 16 * kMegabyte, iovas.data(), 4096, 4096) == 0);
  const std::size_t all = fastmem_zone_largest(heap, FASTMEM_NODE_ANY, 0);
  CHECK(all > 15 * kMegabyte);
  fastmem_zone_t zone = empty();
  REQUIRE(fastmem_zone_reserve(heap, "run", 0, 0, 0, FASTMEM_CONTIGUOUS, FASTMEM_NODE_ANY, &zone) == 0);
  CHECK(zone.len > 7 * kMegabyte);
  CHECK(zone.len <= 8 * kMegabyte);
  CHECK(fastmem_iova_contiguous(heap, zone.addr, zone.len) == 1);
  CHECK(zone.iova == fastmem_virt_to_iova(heap, zone.addr));
  REQUIRE(fastmem_zone_reserve(heap, "rest", 0, 0, 0, 0, FASTMEM_NODE_ANY, &zone) == 0);
  CHECK(zone.len > 7 * kMegabyte);
  CHECK(fastmem_heap_memory_remove(heap, memory, 16 * kMegabyte) == -EBUSY);
  CHECK(fastmem_zone_free(heap, "run") == 0);
  CHECK(fastmem_zone_free(heap, "rest") == 0);
  CHECK(fastmem_zone_largest(heap, FASTMEM_NODE_ANY, 0) == all);
  CHECK(fastmem_heap_memory_remove(heap, memory, 16 * kMegabyte) == 0);
  CHECK(fastmem_named_heap_destroy("zones") == 0);
  munmap(memory, 16 * kMegabyte);
}

TEST_CASE("in C++") {
  Config config;
  config.pages = PageKind::kSmall;
  config.address_space = kMiB * 256;
  Result<Heap> made = Heap::create(config);
  REQUIRE(made.ok());
  Heap& heap = made.value();
  const Result<Zone> zone = heap.zone_reserve("z", {.size = 5000, .align = 128});
  REQUIRE(zone.ok());
  CHECK(heap.zone("z").value().base == zone.value().base);
  CHECK(heap.zone_reserve("z", {.size = 1}).code() == ErrorCode::kExists);
  CHECK(heap.zone_largest().value() > Bytes{0});
  unsigned n = 0;
  heap.each_zone([&](const Zone&) { ++n; });
  CHECK(n == 1);
  CHECK(heap.zone_free("z").ok());
}

}  // namespace
}  // namespace fastmem
