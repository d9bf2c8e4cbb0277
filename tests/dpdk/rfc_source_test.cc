// SPDX-License-Identifier: BSD-3-Clause
// A C program written against the RFC compiles and works (rfc_source.c); C++ sees the same functions.
#include "tests/dpdk/rfc_source.h"

#include <type_traits>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

static_assert(std::is_same_v<decltype(&rte_fastmem_free), void (*)(void*)>);
static_assert(std::is_same_v<decltype(&::rte_fastmem_stats), int (*)(struct rte_fastmem_stats*)>);
static_assert(std::is_standard_layout_v<struct rte_fastmem_stats>);

TEST_CASE("a C program: init, init again, deinit") { CHECK(rfc_cycle_of_its_own() == 0); }

TEST_CASE("a C program: every other function and field") {
  const Initialised heap;
  CHECK(rfc_objects() == 0);
  CHECK(rfc_bulks() == 0);
  CHECK(rfc_handles() == 0);
  CHECK(rfc_memory() == 0);
  CHECK(rfc_statistics() == 0);
}

TEST_CASE("the same from a worker lcore") {
  const Initialised heap;
  REQUIRE(on_worker_lcore([] {
    CHECK(rfc_objects() == 0);
    CHECK(rfc_bulks() == 0);
    CHECK(rfc_handles() == 0);
    CHECK(rfc_memory() == 0);
    CHECK(rfc_statistics() == 0);
  }));
}

}  // namespace
}  // namespace fastmem::test
