// SPDX-License-Identifier: BSD-3-Clause
// Statistics read and reset while others allocate: never torn, never halfway, never absurd.
#include <atomic>
#include <thread>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

constexpr std::size_t kSize = 256;
constexpr unsigned kLiveMost = 64;  // a busy thread's
constexpr int kReads = 1500;

// Threads that take and give objects of kSize until they are stopped.
class Busy {
 public:
  explicit Busy(int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] {
        void* ptrs[kLiveMost];
        ++started_;
        for (unsigned n = 1; !stop_; n = n % kLiveMost + 1) {
          for (unsigned k = 0; k < n; ++k) ptrs[k] = rte_fastmem_alloc(kSize, 0, 0);
          rte_fastmem_free_bulk(ptrs, n);
          if (rte_fastmem_alloc_bulk(ptrs, n, kSize, 0, 0) != 0) continue;
          for (unsigned k = 0; k < n; ++k) rte_fastmem_free(ptrs[k]);
        }
      });
    }
    while (started_ != threads) std::this_thread::yield();
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { stop(); }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> started_{0};
  std::vector<std::thread> threads_;
};

TEST_CASE("without a reset no counter ever goes back, read while others allocate") {
  const Initialised heap;
  Busy busy(2);
  std::uint64_t last[7] = {};
  int back = 0;
  for (int i = 0; i < kReads; ++i) {
    const struct rte_fastmem_stats t = totals();
    const rte_fastmem_class_stats c = of_class(kSize);
    const rte_fastmem_lcore_stats s = of_shared();
    const std::uint64_t now[7] = {t.alloc_total,      t.free_total,    allocs(c),           frees(c),
                                  s.alloc_cache_hits, c.slab_acquires, c.alloc_cache_misses};
    for (int k = 0; k < 7; ++k) {
      back += now[k] < last[k] ? 1 : 0;
      last[k] = now[k];
    }
  }
  CHECK(back == 0);
}

TEST_CASE("what is in use is never absurd, read while others allocate") {
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(1, SOCKET_ID_ANY) == 0);
  Busy busy(2);
  int absurd = 0;
  for (int i = 0; i < kReads; ++i) {
    const rte_fastmem_class_stats c = of_class(kSize);
    const struct rte_fastmem_stats t = totals();
    // A reader is not atomic with the threads; what it may be off by is what they do meanwhile, not 2^63.
    absurd += c.in_use > 1u << 24 ? 1 : 0;
    absurd += t.bytes_in_use > t.bytes_backing ? 1 : 0;
    absurd += t.alloc_nomem != 0 ? 1 : 0;
  }
  CHECK(absurd == 0);
  busy.stop();
  CHECK(of_class(kSize).in_use == 0);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("resets while others allocate: counters are small after each, and in_use is right at the end") {
  const Initialised heap;
  void* live[40];
  REQUIRE(rte_fastmem_alloc_bulk(live, 40, kSize, 0, 0) == 0);
  int absurd = 0;
  {
    Busy busy(2);
    for (int i = 0; i < kReads; ++i) {
      if (i % 3 == 0) rte_fastmem_stats_reset();
      const struct rte_fastmem_stats t = totals();
      const rte_fastmem_class_stats c = of_class(kSize);
      const rte_fastmem_lcore_stats s = of_shared();
      const std::uint64_t most = std::uint64_t{1} << 40;  // a counter that passed below zero is above
      for (const std::uint64_t n : {t.alloc_total, t.free_total, t.bytes_in_use, c.in_use, c.alloc_cache_hits,
                                    c.alloc_cache_misses, c.free_cache_hits, c.free_cache_misses, c.slab_acquires,
                                    c.slab_releases, s.alloc_cache_hits, s.alloc_cache_misses, s.free_cache_hits}) {
        absurd += n > most ? 1 : 0;
      }
    }
  }
  CHECK(absurd == 0);
  CHECK(of_class(kSize).in_use == 40);
  CHECK(totals().bytes_in_use == 40 * kSize);
  rte_fastmem_free_bulk(live, 40);
  CHECK(of_class(kSize).in_use == 0);
  rte_fastmem_stats_reset();
  CHECK(totals().alloc_total == 0);
  CHECK(totals().free_total == 0);
}

TEST_CASE("many threads reset at once: what is in use stays right") {
  const Initialised heap;
  std::vector<void*> live = take(100, kSize);
  {
    Busy busy(1);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int k = 0; k < 500; ++k) rte_fastmem_stats_reset();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(of_class(kSize).in_use == 100);
  give(live);
  CHECK(totals().bytes_in_use == 0);
}

// Without work in between, a reset must be seen whole: no function tells the old value of one counter and the new one
// of another.
TEST_CASE("a reset is seen whole: the sum of hits and misses is what was counted, or nothing") {
  const Initialised heap;
  constexpr std::uint64_t kPairs = 1000;
  for (int round = 0; round < 300; ++round) {
    for (std::uint64_t i = 0; i < kPairs; ++i) rte_fastmem_free(rte_fastmem_alloc(kSize, 0, 0));
    std::atomic<bool> go{false};
    std::thread resetter([&] {
      while (!go) {
      }
      rte_fastmem_stats_reset();
    });
    go = true;
    for (int i = 0; i < 20; ++i) {
      const rte_fastmem_class_stats c = of_class(kSize);
      CHECK((allocs(c) == 0 || allocs(c) == kPairs));
      CHECK((frees(c) == 0 || frees(c) == kPairs));
      CHECK(allocs(c) == frees(c));
      CHECK(c.in_use == 0);
      const struct rte_fastmem_stats t = totals();
      CHECK(t.bytes_in_use == 0);
      CHECK(t.alloc_total == t.free_total);
    }
    resetter.join();
    CHECK(allocs(of_class(kSize)) == 0);
  }
}

TEST_CASE("when all is quiet after the storm, the counters are exact") {
  const Initialised heap;
  constexpr int kThreads = 4;
  constexpr std::uint64_t kPairs = 20000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (std::uint64_t k = 0; k < kPairs; ++k) rte_fastmem_free(rte_fastmem_alloc(kSize, 0, 0));
    });
  }
  for (int i = 0; i < 200; ++i) totals();
  for (std::thread& thread : threads) thread.join();
  CHECK(allocs(of_class(kSize)) == kThreads * kPairs);
  CHECK(frees(of_class(kSize)) == kThreads * kPairs);
  CHECK(allocs(of_shared(kSize)) == kThreads * kPairs);
}

}  // namespace
}  // namespace fastmem::test
