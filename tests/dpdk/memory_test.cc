// SPDX-License-Identifier: BSD-3-Clause
// However EAL was started: regions are memzones, objects have IOVAs, and everything goes back.
#include <doctest/doctest.h>
#include <rte_fastmem.h>
#include <rte_memory.h>
#include <rte_memzone.h>

#include <cstring>
#include <vector>

#include "backends/dpdk/dpdk_backing.h"
#include "tests/contract/backing_contract.h"
#include "tests/dpdk/eal_main.h"

namespace fastmem::test {
namespace {

NodeId first_socket() { return NodeId{static_cast<std::uint16_t>(rte_socket_id_by_idx(0))}; }

TEST_CASE("the dpdk backing keeps the contract") {
  const auto make = [] {
    auto backing = make_dpdk_backing();
    REQUIRE_MESSAGE(backing.ok(), std::string(backing.ok() ? "" : backing.error().text));
    return std::move(*backing);
  };
  check_backing_contract(make, first_socket());
}

TEST_CASE("two backings in one process do not meet in their zones' names") {
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
