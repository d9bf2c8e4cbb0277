// SPDX-License-Identifier: BSD-3-Clause
// However EAL was started: regions are memzones, objects have IOVAs, and everything goes back.
#include <doctest/doctest.h>
#include <rte_fastmem.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_memzone.h>

#include <cstring>
#include <vector>

#include "backends/dpdk/dpdk_backing.h"
#include "tests/contract/backing_contract.h"
#include "tests/dpdk/eal_main.h"
#include "tests/support/skip.h"

namespace fastmem::test {
namespace {

NodeId first_socket() { return NodeId{static_cast<std::uint16_t>(rte_socket_id_by_idx(0))}; }

TEST_CASE("the dpdk backing keeps the contract") {
  if (!eal_has_run_of(kMiB * 32)) FM_SKIP("EAL's legacy memory is scattered: no 32 MiB in one piece");
  const auto make = [] {
    auto backing = make_dpdk_backing();
    REQUIRE_MESSAGE(backing.ok(), std::string(backing.ok() ? "" : backing.error().text));
    return std::move(*backing);
  };
  check_backing_contract(make, first_socket());
}

TEST_CASE("two backings in one process do not meet in their zones' names") {
  if (!eal_has_run_of(kMiB * 8)) FM_SKIP("EAL's legacy memory is scattered: no 8 MiB in one piece");
  const auto one = make_dpdk_backing();
  const auto other = make_dpdk_backing();
  REQUIRE(one.ok());
  REQUIRE(other.ok());
  const Region a = contract::must_reserve(*one.value(), kRegionUnit, first_socket());
  const Region b = contract::must_reserve(*other.value(), kRegionUnit, first_socket());
  CHECK(a.base != b.base);
  one.value()->release(a);
  other.value()->release(b);
}

TEST_CASE("objects of every class have the IOVAs that EAL tells") {
  REQUIRE(rte_fastmem_init() == 0);
  std::size_t sizes[64];
  const unsigned n = rte_fastmem_classes(sizes);
  for (unsigned i = 0; i < n; ++i) {
    auto* const p = static_cast<unsigned char*>(rte_fastmem_alloc(sizes[i], 0, 0));
    REQUIRE(p != nullptr);
    std::memset(p, 0x5a, sizes[i]);
    for (std::size_t at : {std::size_t{0}, sizes[i] / 2, sizes[i] - 1}) {
      CHECK(rte_fastmem_virt2iova(p + at) == rte_mem_virt2iova(p + at));
    }
    rte_fastmem_free(p);
  }
  CHECK(memzones_named("fastmem") >= 1);
  rte_fastmem_deinit();
  CHECK(memzones_named("fastmem") == 0);
}

TEST_CASE("a piece is the largest there is, with an IOVA for each 64 KiB or smaller page") {
  auto backing = make_dpdk_backing();
  REQUIRE(backing.ok());
  void* const keeps_eal_memory = rte_malloc(nullptr, 128, 0);
  Result<Region> piece = (*backing)->reserve_piece(kPieceUnit, first_socket());
  REQUIRE(piece.ok());
  CHECK(reinterpret_cast<std::uintptr_t>(piece->base) % kPieceUnit.rep == 0);
  CHECK(piece->size >= kMiB);
  CHECK(piece->size.rep % kPieceUnit.rep == 0);
  CHECK(piece->page_size <= kPieceUnit);
  std::vector<Iova> pages(piece->size / piece->page_size);
  REQUIRE((*backing)->iova(*piece, pages).ok());
  const auto* at = static_cast<const std::byte*>(piece->base);
  for (const Iova page : pages) {
    REQUIRE(page.rep == rte_mem_virt2iova(at));
    at += piece->page_size.rep;
  }
  CHECK((*backing)->reserve_piece(kGiB * 64, first_socket()).code() == ErrorCode::kNoMemory);
  (*backing)->release(*piece);
  rte_free(keeps_eal_memory);
  CHECK(memzones_named("fastmem") == 0);
}

// As it looks after hours of other users: nothing is left but gaps, none of which holds a region.
TEST_CASE("gaps between what others hold serve objects") {
  std::vector<void*> others;
  constexpr std::size_t kOther = 1792 * 1024;
  while (void* const p = rte_malloc_socket(nullptr, kOther, 64 * 1024, first_socket().rep)) others.push_back(p);
  REQUIRE(others.size() > 32);
  std::vector<void*> kept;
  for (std::size_t i = 0; i < others.size(); ++i) {
    i % 2 == 0 ? kept.push_back(others[i]) : rte_free(others[i]);
  }
  REQUIRE(rte_fastmem_init() == 0);
  std::size_t objects = 0;
  constexpr std::size_t kSize = 64 * 1024;
  while (void* const p = rte_fastmem_alloc(kSize, 0, 0)) {
    std::memset(p, 1, kSize);
    ++objects;
  }
  CHECK(objects * kSize >= (others.size() - kept.size()) * kOther / 10 * 9);
  rte_fastmem_deinit();
  for (void* const p : kept) rte_free(p);
}

TEST_CASE("as long as EAL has memory, there is some") {
  REQUIRE(rte_fastmem_init() == 0);
  std::vector<void*> objects;
  constexpr std::size_t kSize = 256 * 1024;
  while (void* const p = rte_fastmem_alloc(kSize, 0, 0)) {
    std::memset(p, 1, kSize);
    objects.push_back(p);
    REQUIRE(objects.size() < 16384);
  }
  CHECK(objects.size() * kSize >= 128 * kMiB.rep);
  const int socket = first_socket().rep;
  CHECK(rte_memzone_reserve_aligned("probe", kRegionUnit.rep, socket, 0, kRegionUnit.rep) == nullptr);
  for (void* p : objects) rte_fastmem_free(p);
  rte_fastmem_deinit();
  CHECK(memzones_named("fastmem") == 0);
}

}  // namespace
}  // namespace fastmem::test
