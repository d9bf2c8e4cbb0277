// SPDX-License-Identifier: BSD-3-Clause
// The mempool ops `fastmem` with FASTMEM_CHECK=full: a mempool is what it was, and what is put twice, or is none of its
// objects, is named and kept out.
#include <doctest/doctest.h>
#include <rte_mempool.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tests/dpdk/eal_main.h"
#include "tests/support/format.h"
#include "tests/support/log_capture.h"

namespace fastmem::test {
namespace {

class CheckedMempool {
 public:
  explicit CheckedMempool(unsigned n, unsigned cache = 0) {
    setenv("FASTMEM_CHECK", "full", 1);
    mp_ = rte_mempool_create_empty("checked", n, 64, cache, 0, SOCKET_ID_ANY, 0);
    REQUIRE(mp_ != nullptr);
    REQUIRE(rte_mempool_set_ops_byname(mp_, "fastmem", nullptr) == 0);
    REQUIRE(rte_mempool_populate_default(mp_) == static_cast<int>(n));
    unsetenv("FASTMEM_CHECK");
  }
  CheckedMempool(const CheckedMempool&) = delete;
  CheckedMempool& operator=(const CheckedMempool&) = delete;
  ~CheckedMempool() { rte_mempool_free(mp_); }

  rte_mempool* get() const { return mp_; }

 private:
  rte_mempool* mp_;
};

TEST_CASE("every object comes once, and goes back without a word") {
  for (const unsigned n : {1u, 7u, 100u, 1023u}) {
    const CheckedMempool pool(n);
    const LogCapture log;
    CHECK(std::string(rte_mempool_get_ops(pool.get()->ops_index)->name) == "fastmem-checked");
    for (int round = 0; round < 3; ++round) {
      std::vector<void*> all(n);
      REQUIRE(rte_mempool_get_bulk(pool.get(), all.data(), n) == 0);
      CHECK(std::set<void*>(all.begin(), all.end()).size() == n);
      void* more = nullptr;
      CHECK(rte_mempool_get(pool.get(), &more) < 0);
      rte_mempool_put_bulk(pool.get(), all.data(), n);
      CHECK(rte_mempool_avail_count(pool.get()) == n);
    }
    CHECK(log.count(LogLevel::kError, "") == 0);
  }
}

TEST_CASE("a double put is named, and the object is handed out once") {
  const CheckedMempool pool(10);
  const LogCapture log;
  void* p = nullptr;
  REQUIRE(rte_mempool_get(pool.get(), &p) == 0);
  rte_mempool_put(pool.get(), p);
  rte_mempool_put(pool.get(), p);
  CHECK(log.count(LogLevel::kError, format("double put: %p is in mempool checked already", p)) == 1);
  std::vector<void*> all(10);
  REQUIRE(rte_mempool_get_bulk(pool.get(), all.data(), 10) == 0);
  CHECK(std::set<void*>(all.begin(), all.end()).size() == 10);
  CHECK(log.count(LogLevel::kError, "") == 1);
}

TEST_CASE("what is no object of the mempool is named and never handed out") {
  const CheckedMempool pool(10);
  const LogCapture log;
  int mine = 0;
  void* const stranger = &mine;
  rte_mempool_ops_enqueue_bulk(pool.get(), &stranger, 1);
  CHECK(log.count(LogLevel::kError, format("foreign pointer put: %p is not an object of mempool checked", stranger)) ==
        1);
  std::vector<void*> all(10);
  REQUIRE(rte_mempool_get_bulk(pool.get(), all.data(), 10) == 0);
  CHECK(std::set<void*>(all.begin(), all.end()).count(stranger) == 0);
  CHECK(rte_mempool_avail_count(pool.get()) == 0);
}

TEST_CASE("what was put last is handed out last") {
  const CheckedMempool pool(10);
  void* first = nullptr;
  REQUIRE(rte_mempool_get(pool.get(), &first) == 0);
  rte_mempool_put(pool.get(), first);
  for (int i = 0; i < 9; ++i) {
    void* p = nullptr;
    REQUIRE(rte_mempool_get(pool.get(), &p) == 0);
    CHECK(p != first);
  }
}

}  // namespace
}  // namespace fastmem::test
