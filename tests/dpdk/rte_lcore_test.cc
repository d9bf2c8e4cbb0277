// SPDX-License-Identifier: BSD-3-Clause
// Whose counters and whose caches: lcores, registered threads, threads that EAL does not know, and threads that go.
#include <rte_lcore.h>
#include <rte_thread.h>

#include <atomic>
#include <thread>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

constexpr std::size_t kLarge = 64 * 1024;
constexpr std::size_t kLimit = 32 * kOneMiB;

void pairs(int n, std::size_t size = 64) {
  for (int i = 0; i < n; ++i) rte_fastmem_free(rte_fastmem_alloc(size, 0, 0));
}

// Runs `body` in a thread that has registered, and tells its lcore id; unregisters unless it is to forget that.
unsigned on_registered_thread(const std::function<void()>& body, bool forget = false) {
  unsigned id = LCORE_ID_ANY;
  std::thread([&] {
    if (rte_thread_register() != 0) return;
    id = rte_lcore_id();
    body();
    if (!forget) rte_thread_unregister();
  }).join();
  return id;
}

// Everything the heap can give under kLimit, objects and a count of them.
std::size_t how_many_fit() {
  std::vector<void*> all = take_all(kLarge);
  const std::size_t n = all.size();
  give(all);
  rte_fastmem_cache_flush();
  return n;
}

TEST_CASE("the main lcore's calls are counted as its own") {
  const Initialised heap;
  REQUIRE(rte_lcore_id() == rte_get_main_lcore());
  pairs(10);
  CHECK(allocs(of_lcore(rte_get_main_lcore())) == 10);
  CHECK(allocs(of_lcore(rte_get_main_lcore(), 64)) == 10);
  CHECK(frees(of_lcore(rte_get_main_lcore(), 64)) == 10);
  CHECK(allocs(of_lcore(rte_get_main_lcore(), 128)) == 0);
  CHECK(allocs(of_shared()) == 0);
}

TEST_CASE("a worker lcore's calls are counted as its own") {
  const Initialised heap;
  REQUIRE(on_worker_lcore([] { pairs(20); }));
  CHECK(allocs(of_lcore(rte_get_next_lcore(-1, 1, 0))) == 20);
  CHECK(allocs(of_lcore(rte_get_main_lcore())) == 0);
  CHECK(allocs(of_shared()) == 0);
}

TEST_CASE("threads that EAL does not know are counted together as shared") {
  const Initialised heap;
  for (int i = 1; i <= 4; ++i) {
    on_plain_thread([] { pairs(30); });
    CHECK(allocs(of_shared()) == 30u * i);
    CHECK(allocs(of_shared(64)) == 30u * i);
    CHECK(frees(of_shared(64)) == 30u * i);
  }
  for (unsigned id = 0; id < RTE_MAX_LCORE; ++id) CHECK(allocs(of_lcore(id)) == 0);
}

TEST_CASE("a registered thread's calls are counted under its lcore id, and stay so when it is gone") {
  const Initialised heap;
  const unsigned id = on_registered_thread([] { pairs(40); });
  REQUIRE(id < RTE_MAX_LCORE);
  CHECK(allocs(of_lcore(id)) == 40);
  CHECK(allocs(of_shared()) == 0);
  const unsigned again = on_registered_thread([] { pairs(2); });
  REQUIRE(again == id);  // EAL gives the lowest free id
  CHECK(allocs(of_lcore(id)) == 42);
}

TEST_CASE("a thread is shared before it registers, its lcore in between, and shared again after") {
  const Initialised heap;
  unsigned id = LCORE_ID_ANY;
  std::thread([&] {
    pairs(5);
    REQUIRE(rte_thread_register() == 0);
    id = rte_lcore_id();
    pairs(7);
    rte_thread_unregister();
    pairs(11);
  }).join();
  REQUIRE(id < RTE_MAX_LCORE);
  CHECK(allocs(of_lcore(id)) == 7);
  CHECK(allocs(of_shared()) == 16);
}

TEST_CASE("a free is counted where it happens, not where the object came from") {
  const Initialised heap;
  void* const p = rte_fastmem_alloc(64, 0, 0);
  on_plain_thread([p] { rte_fastmem_free(p); });
  CHECK(allocs(of_lcore(rte_lcore_id())) == 1);
  CHECK(frees(of_lcore(rte_lcore_id())) == 0);
  CHECK(frees(of_shared()) == 1);
  CHECK(of_class(64).in_use == 0);
}

TEST_CASE("what a registered thread had cached is everybody's once it has unregistered") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  const std::size_t all = how_many_fit();
  std::atomic<int> step{0};
  std::thread thread([&] {
    REQUIRE(rte_thread_register() == 0);
    std::vector<void*> objects = take_all(kLarge);
    give(objects);  // as much as fits is in this thread's caches
    rte_thread_unregister();
    step = 1;
    while (step != 2) std::this_thread::yield();  // it goes on living
  });
  while (step != 1) std::this_thread::yield();
  const rte_fastmem_class_stats before = of_class(kLarge);
  CHECK(before.in_use == 0);
  std::vector<void*> objects = take_all(kLarge);
  CHECK(objects.size() == all);
  give(objects);
  step = 2;
  thread.join();
}

TEST_CASE("a slab whose last objects were cached by a thread that unregistered goes to another class") {
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(8 * kOneMiB, SOCKET_ID_ANY) == 0);
  REQUIRE(on_registered_thread([] {
            std::vector<void*> objects = take(100, 64);
            give(objects);
          }) < RTE_MAX_LCORE);
  rte_fastmem_cache_flush();
  CHECK(of_class(64).slab_releases == of_class(64).slab_acquires);
}

TEST_CASE("a thread that ends without unregistering leaves nothing unusable") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  const std::size_t all = how_many_fit();
  const auto hoard = [] {
    std::vector<void*> objects = take_all(kLarge);
    give(objects);
  };
  const unsigned id = on_registered_thread(hoard, true);
  REQUIRE(id < RTE_MAX_LCORE);
  CHECK(how_many_fit() == all);
  // Its id stays taken; the next one has its own.
  const unsigned next = on_registered_thread([] { pairs(3); });
  CHECK(next != id);
  CHECK(allocs(of_lcore(next)) == 3);
}

TEST_CASE("a thread that ends gives back what it had cached") {
  const Initialised heap;
  for (int i = 0; i < 20; ++i) {
    on_plain_thread([] {
      std::vector<void*> objects = take(100, 64);
      give(objects);
    });
  }
  rte_fastmem_cache_flush();
  CHECK(of_class(64).slabs_full + of_class(64).slabs_partial == 0);
  CHECK(allocs(of_shared()) == 2000);
}

TEST_CASE("more threads than there are slots, one after the other and at once") {
  const Initialised heap;
  for (int i = 0; i < 1500; ++i) on_plain_thread([] { pairs(1); });
  CHECK(allocs(of_shared()) == 1500);
  std::vector<std::thread> threads;
  std::atomic<bool> go{false};
  constexpr int kThreads = 1200;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      while (!go) std::this_thread::yield();
      pairs(50);
    });
  }
  go = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(allocs(of_shared()) == 1500 + kThreads * 50);
  CHECK(of_class(64).in_use == 0);
}

TEST_CASE("a thread that registered before init is known by its lcore id") {
  std::atomic<int> step{0};
  std::atomic<unsigned> id{LCORE_ID_ANY};
  std::thread thread([&] {
    if (rte_thread_register() == 0) id = rte_lcore_id();
    step = 1;
    while (step != 2) std::this_thread::yield();
    pairs(9);
    rte_thread_unregister();
  });
  while (step != 1) std::this_thread::yield();
  const Initialised heap;
  step = 2;
  thread.join();
  REQUIRE(id < RTE_MAX_LCORE);
  CHECK(allocs(of_lcore(id)) == 9);
  CHECK(allocs(of_shared()) == 0);
}

TEST_CASE("a thread may outlive a heap, use the next one, and unregister after the last") {
  std::atomic<int> step{0};
  unsigned id = LCORE_ID_ANY;
  std::thread thread;
  const auto until = [&](int n) {
    while (step < n) std::this_thread::yield();
  };
  {
    const Initialised heap;
    thread = std::thread([&] {
      if (rte_thread_register() == 0) id = rte_lcore_id();
      pairs(3);
      step = 1;
      until(2);
      pairs(4);
      step = 3;
      until(4);
      rte_thread_unregister();
    });
    until(1);
    REQUIRE(id < RTE_MAX_LCORE);
    CHECK(allocs(of_lcore(id)) == 3);
  }
  {
    const Initialised heap;
    CHECK(allocs(of_lcore(id)) == 0);
    step = 2;
    until(3);
    CHECK(allocs(of_lcore(id)) == 4);
  }
  step = 4;
  thread.join();
  const Initialised heap;
  pairs(1);
  CHECK(totals().alloc_total == 1);
}

}  // namespace
}  // namespace fastmem::test
