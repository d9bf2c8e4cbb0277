// SPDX-License-Identifier: BSD-3-Clause
// FASTMEM_HARDEN hardens the heap behind rte_fastmem.h, too.
#include <cerrno>
#include <cstdlib>

#include "tests/dpdk/rte_guard.h"
#include "tests/dpdk/rte_logged.h"

namespace fastmem::test {
namespace {

struct Environment {
  explicit Environment(const char* value) { setenv("FASTMEM_HARDEN", value, 1); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { unsetenv("FASTMEM_HARDEN"); }
};

void use_objects() {
  std::vector<void*> all;
  for (const std::size_t size : class_sizes()) {
    void* const p = rte_fastmem_alloc(size, 0, 0);
    REQUIRE(p != nullptr);
    std::memset(p, 0x77, size);
    CHECK(rte_fastmem_virt2iova(p) != 0);
    all.push_back(p);
  }
  rte_fastmem_handle_t handle = 0;
  REQUIRE(rte_fastmem_hlookup(512, 0, SOCKET_ID_ANY, &handle) == 0);
  void* bulk[40];
  REQUIRE(rte_fastmem_halloc_bulk(handle, bulk, 40, 0) == 0);
  rte_fastmem_hfree_bulk(handle, bulk, 40);
  give(all);
}

TEST_CASE("all options: objects are used as ever, are erased when they are freed, and nothing is left behind") {
  const Environment all("all");
  const Initialised initialised;
  use_objects();
  void* const p = rte_fastmem_alloc(4096, 0, 0);
  REQUIRE(p != nullptr);
  CHECK(all_bytes_are(p, 0, 4096));
  std::memset(p, 0x77, 4096);
  rte_fastmem_free(p);
  CHECK(all_bytes_are(p, 0, 4096));
}

TEST_CASE("a wrong handle is named at once") {
  const Environment sized("sized");
  const Initialised initialised;
  rte_fastmem_handle_t handle = 0;
  REQUIRE(rte_fastmem_hlookup(512, 0, SOCKET_ID_ANY, &handle) == 0);
  void* const p = rte_fastmem_alloc(128, 0, 0);
  REQUIRE(p != nullptr);
  const Logged logged;
  rte_fastmem_hfree(handle, p);
  CHECK(logged.lines() == 1);
}

TEST_CASE("a word that is not known is refused and logged, and the next try is free") {
  {
    const Environment wrong("zero,gards");
    const Logged logged;
    CHECK(rte_fastmem_init() == -EINVAL);
    CHECK(logged.lines() == 1);
    CHECK(rte_fastmem_alloc(64, 0, 0) == nullptr);
  }
  const Initialised initialised;
  use_objects();
}

}  // namespace
}  // namespace fastmem::test
