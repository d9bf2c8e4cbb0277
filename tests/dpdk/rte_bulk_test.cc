// SPDX-License-Identifier: BSD-3-Clause
// rte_fastmem.h: bulk calls and handles: all or nothing, every class, every n, any mixture on the way back.
#include <climits>
#include <set>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

constexpr std::size_t kLarge = 256 * 1024;

bool distinct(const std::vector<void*>& ptrs) {
  return std::set<void*>(ptrs.begin(), ptrs.end()).size() == ptrs.size() &&
         std::find(ptrs.begin(), ptrs.end(), nullptr) == ptrs.end();
}

// Writes each object to its end, then reads all: what overlaps is noticed.
bool hold_their_bytes(const std::vector<void*>& ptrs, std::size_t size) {
  for (std::size_t i = 0; i < ptrs.size(); ++i) std::memset(ptrs[i], static_cast<int>(i % 251), size);
  for (std::size_t i = 0; i < ptrs.size(); ++i) {
    if (!all_bytes_are(ptrs[i], static_cast<int>(i % 251), size)) return false;
  }
  return true;
}

TEST_CASE("a bulk of every number gives as many objects, each of them whole") {
  const Initialised heap;
  for (const unsigned n : {0u, 1u, 2u, 31u, 32u, 33u, 63u, 64u, 65u, 127u, 128u, 129u, 511u, 512u, 513u, 5000u}) {
    for (const std::size_t size : {std::size_t{8}, std::size_t{64}, std::size_t{2048}}) {
      CAPTURE(n);
      CAPTURE(size);
      std::vector<void*> ptrs(n);
      REQUIRE(rte_fastmem_alloc_bulk(ptrs.data(), n, size, 8, 0) == 0);
      CHECK(distinct(ptrs));
      CHECK(hold_their_bytes(ptrs, size));
      CHECK(of_class(size).in_use == n);
      give(ptrs);
      CHECK(of_class(size).in_use == 0);
    }
  }
}

TEST_CASE("handles of every class, one by one and in bulk: those of 8, 16 and 32 bytes, too") {
  const Initialised heap;
  for (const int socket : {first_socket_id(), int{SOCKET_ID_ANY}}) {
    for (const std::size_t size : class_sizes()) {
      CAPTURE(size);
      rte_fastmem_handle_t handle = 0;
      REQUIRE(rte_fastmem_hlookup(size, 8, socket, &handle) == 0);
      CHECK(handle != 0);
      const unsigned n = static_cast<unsigned>(std::min<std::size_t>(1000, 16 * kOneMiB / size));
      std::vector<void*> ptrs(n);
      for (int round = 0; round < 3; ++round) {
        REQUIRE(rte_fastmem_halloc_bulk(handle, ptrs.data(), n, 0) == 0);
        CHECK(distinct(ptrs));
        CHECK(hold_their_bytes(ptrs, size));
        CHECK(of_class(size).in_use == n);
        rte_fastmem_hfree_bulk(handle, ptrs.data(), n);
        CHECK(of_class(size).in_use == 0);
      }
      for (void*& p : ptrs) p = rte_fastmem_halloc(handle, 0);
      CHECK(distinct(ptrs));
      CHECK(hold_their_bytes(ptrs, size));
      for (void* const p : ptrs) rte_fastmem_hfree(handle, p);
      CHECK(totals().bytes_in_use == 0);
    }
  }
}

TEST_CASE("a handle has the alignment it was looked up with") {
  const Initialised heap;
  for (std::size_t align = 1; align <= kOneMiB; align *= 2) {
    rte_fastmem_handle_t handle;
    REQUIRE(rte_fastmem_hlookup(1, align, SOCKET_ID_ANY, &handle) == 0);
    void* ptrs[3];
    REQUIRE(rte_fastmem_halloc_bulk(handle, ptrs, 3, 0) == 0);
    for (void* const p : ptrs) CHECK(aligned(p, align));
    rte_fastmem_hfree_bulk(handle, ptrs, 3);
  }
  rte_fastmem_handle_t handle;
  REQUIRE(rte_fastmem_hlookup(1, 0, SOCKET_ID_ANY, &handle) == 0);
  for (int i = 0; i < 50; ++i) CHECK(aligned(rte_fastmem_halloc(handle, 0), RTE_CACHE_LINE_SIZE));
}

TEST_CASE("handles and plain calls are the same objects: each may free the other's") {
  const Initialised heap;
  rte_fastmem_handle_t handle;
  REQUIRE(rte_fastmem_hlookup(64, 0, first_socket_id(), &handle) == 0);
  void* ptrs[8];
  REQUIRE(rte_fastmem_halloc_bulk(handle, ptrs, 8, 0) == 0);
  rte_fastmem_free_bulk(ptrs, 4);
  for (unsigned i = 4; i < 8; ++i) rte_fastmem_free(ptrs[i]);
  REQUIRE(rte_fastmem_alloc_bulk(ptrs, 8, 64, 0, 0) == 0);
  rte_fastmem_hfree_bulk(handle, ptrs, 4);
  for (unsigned i = 4; i < 8; ++i) rte_fastmem_hfree(handle, ptrs[i]);
  CHECK(of_class(64).in_use == 0);
  CHECK(of_class(64).free_cache_hits + of_class(64).free_cache_misses == 16);
}

TEST_CASE("sizes of one class and socket have one handle; another class, another") {
  const Initialised heap;
  rte_fastmem_handle_t a, b, c;
  REQUIRE(rte_fastmem_hlookup(100, 0, first_socket_id(), &a) == 0);
  REQUIRE(rte_fastmem_hlookup(128, 8, first_socket_id(), &b) == 0);
  REQUIRE(rte_fastmem_hlookup(129, 8, first_socket_id(), &c) == 0);
  CHECK(a == b);
  CHECK(a != c);
}

// Under a limit nothing but `free_objects` objects of kLarge are left.
template <class Bulk>
void check_all_or_nothing(Bulk bulk) {
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, 32 * kOneMiB) == 0);
  std::vector<void*> all = take_all(kLarge);
  REQUIRE(all.size() > 40);
  for (int i = 0; i < 10; ++i) {
    rte_fastmem_free(all.back());
    all.pop_back();
  }
  const std::uint64_t in_use = of_class(kLarge).in_use;
  const std::uint64_t failed = totals().alloc_nomem;
  for (const unsigned n : {11u, 12u, 32u, 600u, 100000u}) {
    CAPTURE(n);
    int mine = 0;
    std::vector<void*> ptrs(n, &mine);
    CHECK(bulk(ptrs.data(), n) == -ENOMEM);
    CHECK(std::count(ptrs.begin(), ptrs.end(), static_cast<void*>(&mine)) == static_cast<std::ptrdiff_t>(n));
    CHECK(of_class(kLarge).in_use == in_use);
  }
  CHECK(totals().alloc_nomem > failed);
  void* ptrs[10];
  REQUIRE(bulk(ptrs, 10u) == 0);  // what the failed ones had gathered is there again
  for (void* const p : ptrs) std::memset(p, 1, kLarge);
  rte_fastmem_free_bulk(ptrs, 10);
  give(all);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("a bulk that cannot be had whole takes nothing and leaves the array untouched") {
  const Initialised heap;
  check_all_or_nothing([](void** p, unsigned n) { return rte_fastmem_alloc_bulk(p, n, kLarge, 0, 0); });
}

TEST_CASE("the same of a bulk on a socket, and with zeroes") {
  const Initialised heap;
  check_all_or_nothing([](void** p, unsigned n) {
    return rte_fastmem_alloc_bulk_socket(p, n, kLarge, 0, RTE_FASTMEM_F_ZERO, first_socket_id());
  });
}

TEST_CASE("the same of a bulk by handle") {
  const Initialised heap;
  rte_fastmem_handle_t handle;
  REQUIRE(rte_fastmem_hlookup(kLarge, 0, SOCKET_ID_ANY, &handle) == 0);
  check_all_or_nothing([&](void** p, unsigned n) { return rte_fastmem_halloc_bulk(handle, p, n, 0); });
}

TEST_CASE("a bulk of more objects than the address space has is -ENOMEM") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, 16 * kOneMiB) == 0);
  void* ptrs[1] = {ptrs};
  CHECK(rte_fastmem_alloc_bulk(ptrs, UINT_MAX, kOneMiB, 0, 0) == -ENOMEM);
  CHECK(ptrs[0] == ptrs);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("a bulk free takes a mixture of classes, in any order, with NULLs in it") {
  const Initialised heap;
  std::vector<void*> mixed;
  const std::vector<std::size_t> sizes = class_sizes();
  for (int round = 0; round < 40; ++round) {
    for (const std::size_t size : sizes) {
      if (size > 65536 && round > 2) continue;
      mixed.push_back(rte_fastmem_alloc(size, 8, 0));
      REQUIRE(mixed.back() != nullptr);
      if (round % 5 == 0) mixed.push_back(nullptr);
    }
  }
  std::uint64_t objects = 0;
  for (const std::size_t size : sizes) objects += of_class(size).in_use;
  give(mixed);
  for (const std::size_t size : sizes) CHECK(of_class(size).in_use == 0);
  CHECK(totals().free_total == objects);
}

TEST_CASE("a bulk free of runs of classes gives each class its own back") {
  const Initialised heap;
  for (const unsigned run : {1u, 2u, 7u, 64u, 200u}) {
    std::vector<void*> mixed;
    for (int k = 0; k < 6; ++k) {
      for (const std::size_t size : {std::size_t{8}, std::size_t{128}, std::size_t{4096}}) {
        for (unsigned i = 0; i < run; ++i) mixed.push_back(rte_fastmem_alloc(size, 8, 0));
      }
    }
    REQUIRE(distinct(mixed));
    give(mixed);
    for (const std::size_t size : {std::size_t{8}, std::size_t{128}, std::size_t{4096}}) {
      CHECK(of_class(size).in_use == 0);
      std::vector<void*> again = take(run * 6, size, 8);
      CHECK(distinct(again));
      CHECK(hold_their_bytes(again, size));
      give(again);
    }
  }
}

}  // namespace
}  // namespace fastmem::test
