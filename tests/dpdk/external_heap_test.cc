// SPDX-License-Identifier: BSD-3-Clause
// Memory that the application gave to EAL as a heap of its own: served when its socket is named, and never else.
#include <doctest/doctest.h>
#include <rte_errno.h>
#include <rte_fastmem.h>
#include <rte_malloc.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "tests/dpdk/eal_main.h"

namespace fastmem::test {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kLength = std::size_t{64} << 20;
constexpr const char* kName = "ours";

class ExternalHeap {
 public:
  ExternalHeap() {
    memory_ = mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory_ != MAP_FAILED);
    std::vector<rte_iova_t> iovas(kLength / kPage);
    for (std::size_t i = 0; i < iovas.size(); ++i) iovas[i] = iova_of_page(i);
    REQUIRE(rte_malloc_heap_create(kName) == 0);
    REQUIRE(rte_malloc_heap_memory_add(kName, memory_, kLength, iovas.data(), static_cast<unsigned>(iovas.size()),
                                       kPage) == 0);
  }
  ExternalHeap(const ExternalHeap&) = delete;
  ExternalHeap& operator=(const ExternalHeap&) = delete;
  ~ExternalHeap() {
    CHECK(rte_malloc_heap_memory_remove(kName, memory_, kLength) == 0);  // EBUSY if a memzone were left in it
    CHECK(rte_malloc_heap_destroy(kName) == 0);
    munmap(memory_, kLength);
  }

  // No two pages are neighbours for the device.
  static rte_iova_t iova_of_page(std::size_t i) { return (std::uint64_t{1} << 40) + 2 * kPage * i; }

  int socket() const { return rte_malloc_heap_get_socket(kName); }
  bool holds(const void* p) const {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    const auto begin = reinterpret_cast<std::uintptr_t>(memory_);
    return at >= begin && at < begin + kLength;
  }
  rte_iova_t iova(const void* p) const {
    const std::size_t offset = reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(memory_);
    return iova_of_page(offset / kPage) + offset % kPage;
  }

 private:
  void* memory_;
};

TEST_CASE("objects of an attached heap's socket lie in its memory and have the IOVAs it came with") {
  const ExternalHeap external;
  REQUIRE(rte_fastmem_init() == 0);
  std::vector<void*> all;
  for (const std::size_t size : {64, 1000, 4096, 100'000, 1 << 20}) {
    auto* const p =
        static_cast<unsigned char*>(rte_fastmem_alloc_socket(size, 0, RTE_FASTMEM_F_ZERO, external.socket()));
    REQUIRE(p != nullptr);
    CHECK(external.holds(p));
    CHECK(external.holds(p + size - 1));
    CHECK(rte_fastmem_virt2iova(p) == external.iova(p));
    CHECK(rte_fastmem_virt2iova(p + size - 1) == external.iova(p + size - 1));
    all.push_back(p);
  }
  rte_fastmem_handle_t handle = 0;
  REQUIRE(rte_fastmem_hlookup(256, 0, external.socket(), &handle) == 0);
  void* const by_handle = rte_fastmem_halloc(handle, 0);
  CHECK(external.holds(by_handle));
  rte_fastmem_hfree(handle, by_handle);
  for (void* p : all) rte_fastmem_free(p);
  rte_fastmem_deinit();
}

TEST_CASE("a socket that was not named is never served from it, nor it from another") {
  const ExternalHeap external;
  REQUIRE(rte_fastmem_init() == 0);
  void* const inside = rte_fastmem_alloc_socket(64, 0, 0, external.socket());
  CHECK(external.holds(inside));
  rte_fastmem_free(inside);
  // EAL's own memory is not to be had: better none than memory nobody named.
  for (unsigned i = 0; i < rte_socket_count(); ++i) {
    REQUIRE(rte_fastmem_set_limit(rte_socket_id_by_idx(i), 0) == 0);
  }
  CHECK(rte_fastmem_alloc(1 << 20, 0, 0) == nullptr);
  CHECK(rte_errno == ENOMEM);
  CHECK(rte_fastmem_alloc_socket(1 << 20, 0, 0, SOCKET_ID_ANY) == nullptr);
  CHECK(rte_fastmem_reserve(std::size_t{4} << 20, SOCKET_ID_ANY) == -ENOMEM);
  // And the other way round, to the last object.
  for (unsigned i = 0; i < rte_socket_count(); ++i) {
    REQUIRE(rte_fastmem_set_limit(rte_socket_id_by_idx(i), SIZE_MAX) == 0);
  }
  std::size_t n = 0;
  while (void* const p = rte_fastmem_alloc_socket(1 << 20, 0, 0, external.socket())) {
    REQUIRE(external.holds(p));
    ++n;
  }
  CHECK(rte_errno == ENOMEM);
  CHECK(n >= 40);
  CHECK(n <= 64);
  rte_fastmem_deinit();
}

TEST_CASE("memory attached after init is refused, clearly and without harm") {
  REQUIRE(rte_fastmem_init() == 0);
  {
    const ExternalHeap external;
    CHECK(rte_fastmem_alloc_socket(64, 0, 0, external.socket()) == nullptr);
    CHECK(rte_errno == EINVAL);
    CHECK(rte_fastmem_reserve(1, external.socket()) == -EINVAL);
  }
  void* const p = rte_fastmem_alloc(64, 0, 0);
  CHECK(p != nullptr);
  rte_fastmem_free(p);
  rte_fastmem_deinit();
}

}  // namespace
}  // namespace fastmem::test
