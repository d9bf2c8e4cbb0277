// SPDX-License-Identifier: BSD-3-Clause
// Caches follow demand: they start small, grow with misses, stay within the budget, and give back what is idle.
#include <doctest/doctest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

TestHeap::Setup with_budget(Bytes budget) {
  TestHeap::Setup setup;
  setup.config.cache_budget = budget;
  return setup;
}

Bytes cached(const TestHeap& heap) { return heap->stats().cached; }

// Many sizes come and go in bursts.
void churn(Heap& heap, unsigned rounds) {
  std::vector<void*> live;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned i = 0; i < 2000; ++i) {
      void* const p = heap.alloc(16 + (i * 97 + round) % 8000);
      REQUIRE(p != nullptr);
      live.push_back(p);
    }
    for (void* const p : live) REQUIRE(heap.free(p) == ErrorCode::kOk);
    live.clear();
  }
}

void wait_ms(unsigned ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// The next slow path of this thread, as often as it takes to look at everything twice.
void go_on_elsewhere(Heap& heap) {
  for (unsigned i = 0; i < 400; ++i) {
    heap.free(heap.alloc(kMaxSize));
    heap.flush();
    wait_ms(5);
  }
}

TEST_CASE("a cache begins with a page's worth and grows with its misses, up to a magazine") {
  TestHeap heap;
  std::vector<void*> all{heap->alloc(64)};
  CHECK(cached(heap).rep < 5000);
  for (unsigned i = 0; i < 10'000; ++i) all.push_back(heap->alloc(64));
  CHECK(cached(heap).rep <= heap->classes()[class_of(Profile::kFine, 64)].magazine * std::size_t{64});
  for (void* const p : all) heap->free(p);
  heap.check_laws(0);
}

TEST_CASE("what lies in caches and depots never exceeds the budget, and everything is served all the same") {
  for (const Bytes budget : {Bytes{0}, kKiB * 16, kKiB * 256, kMiB * 2}) {
    CAPTURE(budget.rep);
    TestHeap heap(with_budget(budget));
    Bytes most;
    for (unsigned round = 0; round < 8; ++round) {
      churn(*heap.heap, 1);
      most = std::max(most, cached(heap));
    }
    CHECK(most <= budget);
    CHECK(heap->stats().cache_room <= budget);
    CHECK(heap->stats().cache_room >= cached(heap));
    heap.check_laws(0);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t) threads.emplace_back([&] { churn(*heap.heap, 4); });
    for (std::thread& thread : threads) thread.join();
    CHECK(heap->stats().cache_room <= budget);
    CHECK(cached(heap) <= budget);
    heap.check_laws(0);
  }
}

TEST_CASE("objects that pass from thread to thread stay within the budget, too") {
  TestHeap heap(with_budget(kKiB * 512));
  for (unsigned round = 0; round < 20; ++round) {
    std::vector<void*> all;
    std::thread([&] {
      for (unsigned i = 0; i < 5000; ++i) all.push_back(heap->alloc(256));
    }).join();
    for (void* const p : all) REQUIRE(heap->free(p) == ErrorCode::kOk);
    CHECK(cached(heap) <= kKiB * 512);
  }
  heap.check_laws(0);
}

TEST_CASE("without a budget nothing is cached: every free goes home at once") {
  TestHeap heap(with_budget(Bytes{0}));
  void* const p = heap->alloc(64);
  REQUIRE(p != nullptr);
  CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->free(p) == ErrorCode::kDoubleFree);  // noticed on the spot
  CHECK(cached(heap) == Bytes{});
}

TEST_CASE("room that a thread gives up serves another") {
  TestHeap heap(with_budget(kKiB * 64));
  std::thread([&] { churn(*heap.heap, 4); }).join();  // its end flushes its caches
  heap->flush();                                      // and this the depots
  CHECK(cached(heap) == Bytes{});
  churn(*heap.heap, 1);
  CHECK(cached(heap).rep > 0);
}

TEST_CASE("64 threads that have become idle hold nothing after a while, and go on as before") {
  TestHeap heap;
  constexpr unsigned kThreads = 64;
  std::atomic<unsigned> busy{kThreads};
  std::atomic<bool> again{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      churn(*heap.heap, 2);
      busy.fetch_sub(1);
      while (!again.load()) wait_ms(1);
      churn(*heap.heap, 2);
    });
  }
  while (busy.load() != 0) wait_ms(1);
  for (unsigned turn = 0; turn < 10 && cached(heap).rep != 0; ++turn) go_on_elsewhere(*heap.heap);
  CHECK(cached(heap) == Bytes{});
  again.store(true);
  for (std::thread& thread : threads) thread.join();
  heap.check_laws(0);
}

TEST_CASE("classes that a busy thread does not use any more are given up") {
  TestHeap heap;
  churn(*heap.heap, 4);
  for (unsigned i = 0; i < 8000 && heap->class_stats(4096)->cached != 0; ++i) {
    std::vector<void*> all;
    for (unsigned k = 0; k < 600; ++k) all.push_back(heap->alloc(64));
    for (void* const p : all) heap->free(p);
    wait_ms(1);
  }
  CHECK(heap->class_stats(4096)->cached == 0);
  CHECK(heap->class_stats(64)->cached > 0);
  heap.check_laws(0);
}

}  // namespace
}  // namespace fastmem::core
