// SPDX-License-Identifier: BSD-3-Clause
// EAL's memory and its books stay the parent's: a child of fork is refused, clearly, and does the parent no harm.
#include <doctest/doctest.h>
#include <rte_errno.h>
#include <rte_fastmem.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "tests/dpdk/eal_main.h"

namespace fastmem::test {
namespace {

// What `body` returns, as a child's exit status.
int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int refused_in_child() {
  void* p = nullptr;
  if (rte_fastmem_alloc(64, 0, 0) != nullptr || rte_errno != ENODEV) return 1;
  if (rte_fastmem_alloc_bulk(&p, 1, 64, 0, 0) == 0) return 2;
  if (rte_fastmem_reserve(1, SOCKET_ID_ANY) == 0) return 3;
  return 0;
}

void use_it() {
  for (std::size_t size = 8; size <= rte_fastmem_max_size(); size *= 2) {
    void* const p = rte_fastmem_alloc(size, 0, RTE_FASTMEM_F_ZERO);
    REQUIRE(p != nullptr);
    std::memset(p, 1, size);
    rte_fastmem_free(p);
  }
}

TEST_CASE("a child that was forked before the first allocation") {
  REQUIRE(rte_fastmem_init() == 0);
  CHECK(in_child(refused_in_child) == 0);
  use_it();
  rte_fastmem_deinit();
  CHECK(memzones_named("fastmem") == 0);
}

TEST_CASE("a child that was forked after it") {
  REQUIRE(rte_fastmem_init() == 0);
  void* const p = rte_fastmem_alloc(64, 0, 0);
  REQUIRE(p != nullptr);
  CHECK(in_child(refused_in_child) == 0);
  CHECK(in_child([p] {
          rte_fastmem_free(p);  // refused, too
          return 0;
        }) == 0);
  use_it();
  rte_fastmem_free(p);
  rte_fastmem_deinit();
  CHECK(memzones_named("fastmem") == 0);
}

}  // namespace
}  // namespace fastmem::test
