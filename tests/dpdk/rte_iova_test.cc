// SPDX-License-Identifier: BSD-3-Clause
// rte_fastmem_virt2iova(): right for every byte of every object, and RTE_BAD_IOVA for all else.
#include <rte_malloc.h>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

// EAL without hugepages and with virtual IOVAs tells addresses; wherever EAL tells something, it must be the same.
TEST_CASE("every byte of an object has the IOVA that EAL tells") {
  const Initialised heap;
  for (const std::size_t size : class_sizes()) {
    for (auto* const p : {static_cast<char*>(rte_fastmem_alloc(size, 8, 0)),
                          static_cast<char*>(rte_fastmem_alloc_socket(size, size, 0, first_socket_id()))}) {
      REQUIRE(p != nullptr);
      bool same = true;
      const std::size_t step = size > 65536 ? 61 : 1;
      for (std::size_t at = 0; at < size; at += step) {
        same = same && rte_fastmem_virt2iova(p + at) == rte_mem_virt2iova(p + at);
      }
      same = same && rte_fastmem_virt2iova(p + size - 1) == rte_mem_virt2iova(p + size - 1);
      CHECK(same);
      CHECK(rte_fastmem_virt2iova(p) != RTE_BAD_IOVA);
      rte_fastmem_free(p);
    }
  }
}

TEST_CASE("two objects never have the same IOVA") {
  const Initialised heap;
  std::vector<void*> objects = take(3000, 4096);
  std::vector<rte_iova_t> iovas;
  for (const void* const p : objects) iovas.push_back(rte_fastmem_virt2iova(p));
  std::sort(iovas.begin(), iovas.end());
  bool apart = true;
  for (std::size_t i = 1; i < iovas.size(); ++i) apart = apart && iovas[i] - iovas[i - 1] >= 4096;
  CHECK(apart);
  give(objects);
}

TEST_CASE("NULL and memory of others have none") {
  const Initialised heap;
  rte_fastmem_free(rte_fastmem_alloc(64, 0, 0));
  int on_stack = 0;
  static int is_static = 0;
  void* const of_eal = rte_malloc(nullptr, 64, 0);
  for (const void* const p :
       {static_cast<const void*>(nullptr), static_cast<const void*>(&on_stack), static_cast<const void*>(&is_static),
        static_cast<const void*>(of_eal), reinterpret_cast<const void*>(std::uintptr_t{1}),
        reinterpret_cast<const void*>(~std::uintptr_t{0}), reinterpret_cast<const void*>(std::uintptr_t{1} << 47)}) {
    CAPTURE(p);
    CHECK(rte_fastmem_virt2iova(p) == RTE_BAD_IOVA);
  }
  rte_free(of_eal);
}

TEST_CASE("any thread may ask, about objects of any other") {
  const Initialised heap;
  void* const p = rte_fastmem_alloc(5000, 0, 0);
  const rte_iova_t told = rte_fastmem_virt2iova(p);
  on_plain_thread([&] { CHECK(rte_fastmem_virt2iova(p) == told); });
  REQUIRE(on_worker_lcore([&] { CHECK(rte_fastmem_virt2iova(p) == told); }));
  rte_fastmem_free(p);
}

TEST_CASE("after deinit what had an IOVA has none") {
  void* p = nullptr;
  {
    const Initialised heap;
    p = rte_fastmem_alloc(64, 0, 0);
    CHECK(rte_fastmem_virt2iova(p) != RTE_BAD_IOVA);
  }
  CHECK(rte_fastmem_virt2iova(p) == RTE_BAD_IOVA);
}

}  // namespace
}  // namespace fastmem::test
