// SPDX-License-Identifier: BSD-3-Clause
// rte_fastmem_init() and rte_fastmem_deinit(): what every function says outside of them, and that nothing is left.
#include <rte_malloc.h>

#include <atomic>
#include <thread>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

void check_objects_refused() {
  for (const std::size_t size : {std::size_t{1}, std::size_t{64}, kOneMiB}) {
    for (const unsigned flags : {0u, static_cast<unsigned>(RTE_FASTMEM_F_ZERO)}) {
      rte_errno = 0;
      CHECK(rte_fastmem_alloc(size, 0, flags) == nullptr);
      CHECK(rte_errno == ENODEV);
      rte_errno = 0;
      CHECK(rte_fastmem_alloc_socket(size, 8, flags, first_socket_id()) == nullptr);
      CHECK(rte_errno == ENODEV);
    }
  }
  rte_errno = 0;
  CHECK(rte_fastmem_alloc_socket(64, 0, 0, SOCKET_ID_ANY) == nullptr);
  CHECK(rte_errno == ENODEV);
  rte_errno = 0;
  CHECK(rte_fastmem_realloc(nullptr, 64, 0) == nullptr);
  CHECK(rte_errno == ENODEV);
  int mine = 7;
  rte_errno = 0;
  CHECK(rte_fastmem_realloc(&mine, 64, 0) == nullptr);
  CHECK(rte_errno == ENODEV);
  CHECK(rte_fastmem_realloc(&mine, 0, 0) == nullptr);
  CHECK(rte_fastmem_realloc(nullptr, 0, 0) == nullptr);
  rte_fastmem_free(nullptr);
  rte_fastmem_free(&mine);
  void* ptrs[3] = {&mine, nullptr, &mine};
  CHECK(rte_fastmem_alloc_bulk(ptrs, 3, 64, 0, 0) < 0);
  CHECK(rte_fastmem_alloc_bulk_socket(ptrs, 3, 64, 0, 0, first_socket_id()) < 0);
  CHECK((ptrs[0] == &mine && ptrs[1] == nullptr && ptrs[2] == &mine));
  rte_fastmem_free_bulk(ptrs, 3);
  CHECK(mine == 7);
}

void check_handles_refused(rte_fastmem_handle_t stale) {
  rte_fastmem_handle_t handle = 0xabcd;
  CHECK(rte_fastmem_hlookup(64, 0, SOCKET_ID_ANY, &handle) == -ENODEV);
  CHECK(rte_fastmem_hlookup(64, 0, first_socket_id(), &handle) == -ENODEV);
  CHECK(handle == 0xabcd);
  int mine = 7;
  for (const rte_fastmem_handle_t h : {stale, 0u, 1u, 63u, 64u, 0x10001u, 0xffffu, 0x10000u, ~0u, 1u << 31}) {
    CAPTURE(h);
    for (const unsigned flags : {0u, static_cast<unsigned>(RTE_FASTMEM_F_ZERO)}) {
      rte_errno = 0;
      CHECK(rte_fastmem_halloc(h, flags) == nullptr);
      CHECK(rte_errno == ENODEV);
      void* ptrs[2] = {&mine, &mine};
      CHECK(rte_fastmem_halloc_bulk(h, ptrs, 2, flags) < 0);
      CHECK((ptrs[0] == &mine && ptrs[1] == &mine));
    }
    void* ptrs[2] = {&mine, nullptr};
    rte_fastmem_hfree(h, nullptr);
    rte_fastmem_hfree(h, &mine);
    rte_fastmem_hfree_bulk(h, ptrs, 2);
    rte_fastmem_hfree_bulk(h, nullptr, 0);
  }
  CHECK(mine == 7);
}

void check_the_rest_refused() {
  CHECK(rte_fastmem_reserve(1, SOCKET_ID_ANY) < 0);
  CHECK(rte_fastmem_reserve(1, first_socket_id()) < 0);
  CHECK(rte_fastmem_reserve(0, first_socket_id()) < 0);
  CHECK(rte_fastmem_set_limit(SOCKET_ID_ANY, kOneMiB) < 0);
  rte_fastmem_get_limit(SOCKET_ID_ANY);
  rte_fastmem_get_limit(first_socket_id());
  int mine = 7;
  CHECK(rte_fastmem_virt2iova(&mine) == RTE_BAD_IOVA);
  CHECK(rte_fastmem_virt2iova(nullptr) == RTE_BAD_IOVA);
  rte_fastmem_cache_flush();
  rte_fastmem_stats_reset();
  struct rte_fastmem_stats total;
  rte_fastmem_class_stats of_class;
  rte_fastmem_lcore_stats lcore;
  rte_fastmem_lcore_class_stats both;
  CHECK(rte_fastmem_stats(&total) == -ENODEV);
  CHECK(rte_fastmem_stats_class(64, &of_class) == -ENODEV);
  CHECK(rte_fastmem_stats_lcore(0, &lcore) == -ENODEV);
  CHECK(rte_fastmem_stats_lcore_class(0, 64, &both) == -ENODEV);
  CHECK(rte_fastmem_stats_shared(&lcore) == -ENODEV);
  CHECK(rte_fastmem_stats_shared_class(64, &both) == -ENODEV);
  CHECK(rte_fastmem_stats(nullptr) < 0);
  CHECK(rte_fastmem_max_size() >= kOneMiB);
  CHECK(rte_fastmem_classes(nullptr) == 18);
}

void check_everything_refused(rte_fastmem_handle_t stale) {
  check_objects_refused();
  check_handles_refused(stale);
  check_the_rest_refused();
  CHECK(memzones_named("fastmem") == 0);
}

TEST_CASE("deinit without init does nothing, however often") {
  rte_fastmem_deinit();
  rte_fastmem_deinit();
  const Initialised heap;
  CHECK(rte_fastmem_alloc(64, 0, 0) != nullptr);
}

TEST_CASE("a second init is -EBUSY and changes nothing") {
  const Initialised heap;
  void* const p = rte_fastmem_alloc(64, 0, 0);
  CHECK(rte_fastmem_init() == -EBUSY);
  CHECK(rte_fastmem_init() == -EBUSY);
  CHECK(totals().alloc_total == 1);
  rte_fastmem_free(p);
}

TEST_CASE("before init every call is refused and none crashes") { check_everything_refused(1); }

TEST_CASE("before init calls of a thread that EAL does not know, and of a worker, are refused, too") {
  on_plain_thread([] { check_everything_refused(1); });
  REQUIRE(on_worker_lcore([] { check_everything_refused(1); }));
}

TEST_CASE("after deinit every call is refused, also with handles and caches from before") {
  rte_fastmem_handle_t handle = 0;
  {
    const Initialised heap;
    REQUIRE(rte_fastmem_hlookup(64, 0, first_socket_id(), &handle) == 0);
    rte_fastmem_hfree(handle, rte_fastmem_halloc(handle, 0));  // there is one in the cache
    rte_fastmem_free(rte_fastmem_alloc(1, 0, 0));
  }
  check_everything_refused(handle);
}

TEST_CASE("of many threads that call init at once, one does it") {
  std::atomic<int> done{0};
  std::atomic<int> busy{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const int result = rte_fastmem_init();
      ++(result == 0 ? done : busy);
      if (result != 0 && result != -EBUSY) done += 100;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(done == 1);
  CHECK(busy == 7);
  rte_fastmem_deinit();
}

TEST_CASE("many threads may call deinit at once") {
  REQUIRE(rte_fastmem_init() == 0);
  REQUIRE(rte_fastmem_reserve(1, SOCKET_ID_ANY) == 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(rte_fastmem_deinit);
  for (std::thread& thread : threads) thread.join();
  CHECK(memzones_named("fastmem") == 0);
}

TEST_CASE("each init starts from nothing: no memory, no counts, no limit") {
  for (int i = 0; i < 3; ++i) {
    const Initialised heap;
    CHECK(memzones_named("fastmem") == 0);
    CHECK(totals().bytes_backing == 0);
    CHECK(totals().alloc_total == 0);
    CHECK(totals().bytes_in_use == 0);
    CHECK(rte_fastmem_get_limit(SOCKET_ID_ANY) == SIZE_MAX);
    take(100, 1000);
    REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, 0) == 0);
  }
}

}  // namespace
}  // namespace fastmem::test
