// SPDX-License-Identifier: BSD-3-Clause
// Out of memory: what comes back serves the next call at once, whoever gave it back and wherever it lies; and failing
// is cheap, told once, and forgotten as soon as something changes.
#include <rte_malloc.h>

#include <atomic>
#include <thread>

#include "tests/dpdk/rte_guard.h"
#include "tests/dpdk/rte_logged.h"

namespace fastmem::test {
namespace {

constexpr std::size_t kLimit = 24 * kOneMiB;

void on_other_lcore(const std::function<void()>& body) { REQUIRE(on_worker_lcore(body)); }
void on_other_thread(const std::function<void()>& body) { on_plain_thread(body); }

// Fills the heap with one class and gives a part back elsewhere; the very next request here must be served.
void check_recovery(void (*elsewhere)(const std::function<void()>&), std::size_t given, std::size_t wanted,
                    std::size_t count) {
  CAPTURE(given);
  CAPTURE(wanted);
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  std::vector<void*> all = take_all(given, 8);
  REQUIRE(all.size() >= count);
  std::vector<void*> part(all.end() - static_cast<std::ptrdiff_t>(count), all.end());
  all.resize(all.size() - count);
  elsewhere([&part] {
    for (void* const p : part) rte_fastmem_free(p);
  });
  void* const p = rte_fastmem_alloc(wanted, 8, 0);
  CHECK(p != nullptr);
  rte_fastmem_free(p);
  give(all);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("one object freed on another lcore serves the next request of its class here") {
  for (const std::size_t size : class_sizes()) {
    check_recovery(on_other_lcore, size, size, 1);
    check_recovery(on_other_thread, size, size, 1);
  }
}

TEST_CASE("slabs emptied from another lcore serve the next request of any class here") {
  constexpr std::size_t kTwoSlabs = 6 * kOneMiB;  // wherever they begin, whole slabs of 2 MiB are among them
  for (const std::size_t given : {std::size_t{64}, std::size_t{1024}, std::size_t{65536}, kOneMiB}) {
    for (const std::size_t wanted : {std::size_t{8}, std::size_t{512}, std::size_t{32768}, kOneMiB / 2}) {
      check_recovery(on_other_lcore, given, wanted, kTwoSlabs / given);
      check_recovery(on_other_thread, given, wanted, kTwoSlabs / given);
    }
  }
}

TEST_CASE("what other lcores hoard in their caches is had before ENOMEM is said") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  std::vector<void*> all = take_all(kOneMiB / 4);
  const std::size_t fit = all.size();
  give(all);
  rte_fastmem_cache_flush();
  for (const std::size_t hoarded : {std::size_t{8}, std::size_t{256}, std::size_t{65536}, kOneMiB}) {
    CAPTURE(hoarded);
    const auto hoard = [hoarded] {
      std::vector<void*> objects = take_all(hoarded, 8);
      give(objects);  // no flush: they lie in this thread's caches
    };
    REQUIRE(on_worker_lcore(hoard));
    std::atomic<int> step{0};
    std::thread alive([&] {  // a thread that EAL does not know, and that does not end
      hoard();
      step = 1;
      while (step != 2) std::this_thread::yield();
    });
    while (step != 1) std::this_thread::yield();
    all = take_all(kOneMiB / 4);
    CHECK(all.size() == fit);
    give(all);
    rte_fastmem_cache_flush();
    step = 2;
    alive.join();
  }
}

TEST_CASE("lcores that take and give under a full heap never find less than is theirs") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  std::vector<void*> all = take_all(65536);
  for (int i = 0; i < 64; ++i) {  // room for the pairs of three threads, in slabs of this class
    rte_fastmem_free(all.back());
    all.pop_back();
  }
  std::atomic<unsigned> failures{0};
  const auto work = [&failures] {
    for (int i = 0; i < 1500; ++i) {
      void* ptrs[16];
      unsigned n = 0;
      for (; n < 16; ++n) {
        ptrs[n] = rte_fastmem_alloc(65536, 0, 0);
        if (ptrs[n] == nullptr) ++failures;
      }
      rte_fastmem_free_bulk(ptrs, n);
    }
  };
  std::thread one(work);
  std::thread two(work);
  work();
  one.join();
  two.join();
  CHECK(failures == 0);
  give(all);
}

TEST_CASE("memory given back by another thread while this one fails is found by trying again") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  for (int round = 0; round < 20; ++round) {
    std::vector<void*> all = take_all(65536);
    std::thread other([&all] {
      for (std::size_t i = 0; i < 64; ++i) rte_fastmem_free(all[i]);
    });
    void* p = nullptr;
    while (p == nullptr) p = rte_fastmem_alloc(2048, 0, 0);  // ends because 64 objects are two slabs' worth
    other.join();
    rte_fastmem_free(p);
    std::vector<void*> rest(all.begin() + 64, all.end());
    give(rest);
    CHECK(totals().bytes_in_use == 0);
  }
}

TEST_CASE("a failing allocation is told once for each event, not for each call") {
  const Logged log;
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  std::vector<void*> all = take_all(kOneMiB);
  CHECK(log.lines() == 1);
  for (int i = 0; i < 1000; ++i) {
    CHECK(rte_fastmem_alloc(kOneMiB, 0, 0) == nullptr);
    CHECK(rte_errno == ENOMEM);
  }
  CHECK(log.lines() == 1);
  CHECK(totals().alloc_nomem == 1001);
  give(all);
}

TEST_CASE("failing calls ask EAL for nothing while nothing has changed") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  std::vector<void*> all = take_all(kOneMiB);
  for (void* const p : take_all(64)) all.push_back(p);  // where legacy memory is scattered, smaller ones still fit
  const unsigned zones = memzones_named("fastmem");
  const std::uint64_t held = totals().bytes_backing;
  const std::uint64_t acquires = of_class(64).slab_acquires;
  for (int i = 0; i < 1000; ++i) CHECK(rte_fastmem_alloc(64, 0, 0) == nullptr);
  CHECK(memzones_named("fastmem") == zones);
  CHECK(totals().bytes_backing == held);
  CHECK(of_class(64).slab_acquires == acquires);
  give(all);
}

TEST_CASE("ENOMEM ends at once when the limit is raised, when an object is freed, and when others are flushed") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit) == 0);
  std::vector<void*> all = take_all(kOneMiB);
  const auto fail_often = [] {
    for (int i = 0; i < 100; ++i) REQUIRE(rte_fastmem_alloc(kOneMiB, 0, 0) == nullptr);
  };
  fail_often();
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kLimit + 8 * kOneMiB) == 0);
  void* p = rte_fastmem_alloc(kOneMiB, 0, 0);
  CHECK(p != nullptr);
  all.push_back(p);
  for (void* const q : take_all(kOneMiB)) all.push_back(q);
  fail_often();
  rte_fastmem_free(all.back());
  all.back() = rte_fastmem_alloc(kOneMiB, 0, 0);
  CHECK(all.back() != nullptr);
  fail_often();
  REQUIRE(on_worker_lcore([&all] {
    rte_fastmem_free(all.back());
    rte_fastmem_cache_flush();
  }));
  all.back() = rte_fastmem_alloc(kOneMiB, 0, 0);
  CHECK(all.back() != nullptr);
  give(all);
}

TEST_CASE("when EAL itself has no more, all is as under a limit: told once, recovered at once") {
  // Where EAL can grow, other programs take and give the same hugepages meanwhile.
  if (!eal_has("--no-huge") && !eal_has("--legacy-mem")) return;
  const Logged log;
  const Initialised heap;
  std::vector<void*> all = take_all(kOneMiB);
  CHECK(log.lines() == 1);
  for (int i = 0; i < 200; ++i) CHECK(rte_fastmem_alloc(kOneMiB, 0, 0) == nullptr);
  CHECK(log.lines() == 1);
  REQUIRE(on_worker_lcore([&all] { rte_fastmem_free(all.back()); }));
  all.back() = rte_fastmem_alloc(kOneMiB, 0, 0);
  CHECK(all.back() != nullptr);
  give(all);
}

}  // namespace
}  // namespace fastmem::test
