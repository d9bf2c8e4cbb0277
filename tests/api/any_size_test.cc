// SPDX-License-Identifier: BSD-3-Clause
// Any size through the C interface, on the machine's own pages: requests, what can be asked of an object, dumps.
#include <doctest/doctest.h>
#include <fastmem.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::kMegabyte;

fastmem_request_t request_for(std::size_t size) {
  fastmem_request_t request = {};
  request.struct_size = sizeof(request);
  request.node = FASTMEM_NODE_ANY;
  request.size = size;
  return request;
}

TEST_CASE("one entry point from a byte to half a gigabyte, of which a program touches what it likes") {
  const CHeap heap;
  for (std::size_t size = 1; size <= kMegabyte * 512; size *= 8) {
    CAPTURE(size);
    auto* const p = static_cast<unsigned char*>(fastmem_heap_alloc(heap, size, 0, FASTMEM_ZERO));
    REQUIRE(p != nullptr);
    CHECK((p[0] | p[size / 2] | p[size - 1]) == 0);
    p[0] = p[size - 1] = 1;
    std::size_t usable = 0;
    CHECK(fastmem_validate(heap, p, &usable) == 0);
    CHECK(usable == fastmem_heap_usable_size(heap, p));
    CHECK(fastmem_heap_free(heap, p) == 0);
  }
  CHECK(heap.stats().bytes_in_use == 0);
  fastmem_trim(heap);
  CHECK(heap.stats().bytes_backing == 0);
}

TEST_CASE("an allocation larger than the memory of the machine is an error, and nothing else") {
  fastmem_config_t config = test::small_config();
  config.pages = FASTMEM_PAGES_2M;
  config.address_space = kMegabyte << 14;
  fastmem_heap_t* const heap = fastmem_heap_create(&config);
  if (heap == nullptr) {
    CHECK(errno == ENOTSUP);  // no hugepages here: with small ones memory is lazy
    return;
  }
  CHECK(fastmem_heap_alloc(heap, kMegabyte << 13, 0, 0) == nullptr);
  CHECK(errno == ENOMEM);
  CHECK(std::string(fastmem_error_text()).find("hugetlb") != std::string::npos);
  CHECK(fastmem_heap_destroy(heap) == 0);
}

TEST_CASE("a request says all of it") {
  const CHeap heap;
  fastmem_request_t request = request_for(3 * kMegabyte);
  request.align = kMegabyte;
  request.boundary = 4 * kMegabyte;
  request.flags = FASTMEM_ZERO;
  void* const p = fastmem_alloc_request(heap, &request);
  REQUIRE(p != nullptr);
  const auto at = reinterpret_cast<std::uintptr_t>(p);
  CHECK(at % kMegabyte == 0);
  CHECK(at / (4 * kMegabyte) == (at + 3 * kMegabyte - 1) / (4 * kMegabyte));
  CHECK(fastmem_heap_free(heap, p) == 0);

  const auto refused = [&](fastmem_request_t r, int error) {
    errno = 0;
    CHECK(fastmem_alloc_request(heap, &r) == nullptr);
    CHECK(errno == error);
  };
  request.boundary = kMegabyte * 2;
  refused(request, EINVAL);
  request.boundary = kMegabyte * 4 + 1;
  refused(request, EINVAL);
  refused(request_for(0), EINVAL);
  refused(request_for(SIZE_MAX), E2BIG);
  fastmem_request_t elsewhere = request_for(16);
  elsewhere.node = 4000;
  refused(elsewhere, ENODEV);
  fastmem_request_t old = request_for(16);
  old.struct_size = 8;
  refused(old, EINVAL);
  CHECK(fastmem_alloc_request(heap, nullptr) == nullptr);
  fastmem_request_t contiguous = request_for(kMegabyte * 3);
  contiguous.flags = FASTMEM_CONTIGUOUS;
  refused(contiguous, ENOTSUP);  // this heap has no IOVAs
}

TEST_CASE("contiguous where the virtual address is the IOVA") {
  fastmem_config_t config = test::small_config();
  config.iova_mode = FASTMEM_IOVA_VA;
  const CHeap heap(config);
  void* const p = fastmem_heap_alloc(heap, 5 * kMegabyte, 0, FASTMEM_CONTIGUOUS);
  REQUIRE(p != nullptr);
  CHECK(fastmem_iova_contiguous(heap, p, 5 * kMegabyte) == 1);
  CHECK(fastmem_virt_to_iova(heap, p) == reinterpret_cast<std::uintptr_t>(p));
  CHECK(fastmem_heap_free(heap, p) == 0);
}

TEST_CASE("validate knows objects, and a sensitive one is erased") {
  const CHeap heap;
  auto* const secret = static_cast<char*>(heap.alloc(100));
  std::memcpy(secret, "secret", 7);
  char local = 0;
  for (const void* const wrong :
       {static_cast<const void*>(&local), static_cast<const void*>(nullptr), static_cast<const void*>(secret + 16)}) {
    CHECK(fastmem_validate(heap, wrong, nullptr) == -EINVAL);
  }
  CHECK(fastmem_validate(heap, secret, nullptr) == 0);
  CHECK(fastmem_free_sensitive(heap, secret) == 0);
  CHECK(std::string(secret, 7) == std::string(7, '\0'));  // the page is the heap's still
  CHECK(fastmem_free_sensitive(heap, nullptr) == 0);
  CHECK(fastmem_free_sensitive(heap, &local) == -EINVAL);
  fastmem_flush(heap);
  void* const other = heap.alloc(100);
  CHECK(fastmem_validate(heap, static_cast<char*>(other) + 112 * 500, nullptr) == -EINVAL);  // free in its slab
  CHECK(fastmem_heap_free(heap, other) == 0);
}

TEST_CASE("memory by node: total is slabs, large objects and free memory") {
  const CHeap heap;
  void* const small = heap.alloc(100);
  void* const large = heap.alloc(kMegabyte * 3);
  for (const int node : {FASTMEM_NODE_ANY, test::some_node(heap)}) {
    fastmem_memory_stats_t m = {};
    m.struct_size = sizeof(m);
    REQUIRE(fastmem_stats_memory(heap, node, &m) == 0);
    CHECK(m.bytes_total == m.bytes_in_slabs + m.bytes_large + m.bytes_free);
    CHECK(m.bytes_total == heap.stats().bytes_backing);
    CHECK(m.bytes_large == kMegabyte * 3);
    CHECK(m.large_objects == 1);
    CHECK(m.bytes_largest_free <= m.bytes_free);
    CHECK(m.fragmentation <= 1000);
    CHECK((m.free_pieces != 0) == (m.bytes_free != 0));
  }
  fastmem_memory_stats_t m = {};
  CHECK(fastmem_stats_memory(heap, FASTMEM_NODE_ANY, &m) == -EINVAL);  // no struct_size
  m.struct_size = sizeof(m);
  CHECK(fastmem_stats_memory(heap, 4000, &m) == -EINVAL);
  CHECK(fastmem_heap_free(heap, large) == 0);
  CHECK(fastmem_heap_free(heap, small) == 0);
}

std::string dumped(int (*dump)(fastmem_heap_t*, FILE*), fastmem_heap_t* heap) {
  char* text = nullptr;
  std::size_t size = 0;
  FILE* const file = open_memstream(&text, &size);
  CHECK(dump(heap, file) == 0);
  std::fclose(file);
  std::string result(text, size);
  std::free(text);  // NOLINT: open_memstream's
  return result;
}

TEST_CASE("dumps tell what there is, and a full disk") {
  const CHeap heap;
  void* const small = heap.alloc(100);
  void* const large = heap.alloc(kMegabyte * 3);
  const std::string text = dumped(fastmem_dump, heap);
  CHECK(text.find("112") != std::string::npos);   // its class
  CHECK(text.find("3072") != std::string::npos);  // KiB in large objects
  const std::string json = dumped(fastmem_dump_json, heap);
  CHECK(json.find("\"large\": 3145728") != std::string::npos);
  CHECK(json.find("\"size\": 112, \"in_use\": 1") != std::string::npos);
  FILE* const full = std::fopen("/dev/full", "w");
  REQUIRE(full != nullptr);
  CHECK(fastmem_dump_json(heap, full) == -ENOSPC);
  std::fclose(full);
  CHECK(fastmem_dump(heap, nullptr) == -EINVAL);
  CHECK(fastmem_heap_free(heap, large) == 0);
  CHECK(fastmem_heap_free(heap, small) == 0);
}

}  // namespace
}  // namespace fastmem
