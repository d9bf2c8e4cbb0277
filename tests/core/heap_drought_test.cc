// SPDX-License-Identifier: BSD-3-Clause
// Once memory is known to be out a failing allocation is cheap and quiet, and ends at once when something changes.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"
#include "tests/support/log_capture.h"

namespace fastmem::core {
namespace {

using test::LogCapture;

TestHeap::Setup small_regions() {
  TestHeap::Setup setup;
  setup.config.region_size = kMiB * 4;
  return setup;
}

std::vector<void*> take_all(TestHeap& heap, std::size_t size) {
  std::vector<void*> all;
  while (void* const p = heap->alloc(size)) all.push_back(p);
  return all;
}

// A thread that does one thing after another when told to, so that its caches stay as they are in between.
class Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    run({});
    thread_.join();
  }
  void run(const std::function<void()>& job) {
    job_ = &job;  // published by turn_
    turn_.store(1);
    turn_.notify_all();
    turn_.wait(1);
  }

 private:
  void loop() {
    for (;;) {
      turn_.wait(0);
      const bool last = !*job_;
      if (!last) (*job_)();
      turn_.store(0);
      turn_.notify_all();
      if (last) return;
    }
  }
  std::atomic<int> turn_{0};
  const std::function<void()>* job_ = nullptr;
  std::thread thread_{[this] { loop(); }};
};

TEST_CASE("many failing allocations ask the backing, and tell the log, a few times at most") {
  TestHeap heap(small_regions());
  heap.backing.cap(node(0), kMiB * 4);
  const LogCapture log;
  const auto all = take_all(heap, 64);
  const unsigned asked = heap.backing.reserves() + heap.backing.refusals();
  for (unsigned i = 0; i < 10'000; ++i) REQUIRE(heap->alloc(64) == nullptr);
  CHECK(heap.backing.reserves() + heap.backing.refusals() < asked + 100);
  CHECK(log.count(LogLevel::kWarning, "no object of") == 1);
  CHECK(heap->stats().nomem == 10'001);
}

TEST_CASE("one object that another thread frees into its cache ends it at once") {
  TestHeap heap(small_regions());
  heap.backing.cap(node(0), kMiB * 4);
  auto all = take_all(heap, 64);
  Worker other;
  other.run([&] { heap->free(heap->alloc(64)); });  // it has a cache, and no object
  for (unsigned round = 0; round < 200; ++round) {
    REQUIRE(heap->alloc(64) == nullptr);
    REQUIRE(heap->alloc(64) == nullptr);
    other.run([&] { REQUIRE(heap->free(all.back()) == ErrorCode::kOk); });
    all.back() = heap->alloc(64);
    REQUIRE(all.back() != nullptr);
  }
}

TEST_CASE("so does a slab's worth of another class, for a class that was out as well") {
  TestHeap heap(small_regions());
  heap.backing.cap(node(0), kMiB * 4);
  const auto all = take_all(heap, 64);
  REQUIRE(heap->alloc(1000) == nullptr);
  REQUIRE(heap->alloc(1000) == nullptr);
  Worker other;
  other.run([&] {
    for (void* const p : all) REQUIRE(heap->free(p) == ErrorCode::kOk);
  });
  CHECK(heap->alloc(1000) != nullptr);
}

TEST_CASE("so do a flush, a bulk free, the end of a thread, a new limit and a trim") {
  TestHeap heap(small_regions());
  REQUIRE(heap->set_limit(kMiB * 4, node(0)).ok());
  auto all = take_all(heap, 2048);
  const auto out = [&] { return heap->alloc(2048) == nullptr && heap->alloc(2048) == nullptr; };
  REQUIRE(out());
  std::thread([&] { heap->free(all.back()); }).join();
  CHECK(heap->alloc(2048) != nullptr);
  all.pop_back();
  REQUIRE(out());
  CHECK(heap->free_bulk(all.data(), 32) == ErrorCode::kOk);
  for (unsigned i = 0; i < 32; ++i) CHECK((all[i] = heap->alloc(2048)) != nullptr);
  REQUIRE(out());
  REQUIRE(heap->set_limit(kMiB * 8, node(0)).ok());
  CHECK(heap->alloc(2048) != nullptr);
}

TEST_CASE("memory that another class gives up while this one looks for some is not overlooked") {
  TestHeap heap(small_regions());
  heap.backing.cap(node(0), kMiB * 4);
  // There is always room for one of the two: neither may be told that there is none.
  void* const rest = heap->alloc(kMaxSize);
  std::atomic<bool> stop{false};
  std::atomic<unsigned> failed{0};
  std::atomic<int> turn{0};
  const auto body = [&](int me, std::size_t size) {
    for (unsigned i = 0; i < 3000 && !stop; ++i) {
      while (turn.load() != me && !stop) std::this_thread::yield();
      std::vector<void*> mine;
      for (unsigned k = 0; k < 2; ++k) {
        void* const p = heap->alloc(size);
        if (p == nullptr) ++failed;
        mine.push_back(p);
      }
      turn.store(1 - me);
      for (void* const p : mine) heap->free(p);
    }
    stop = true;
  };
  std::thread other(body, 1, 500'000);
  body(0, 500'000);
  other.join();
  CHECK(failed == 0);
  heap->free(rest);
}

TEST_CASE("each shortage is told, but not more often than every second, and a new limit or reserve begins anew") {
  TestHeap heap(small_regions());
  REQUIRE(heap->set_limit(kMiB * 4, node(0)).ok());
  const LogCapture log;
  const auto told = [&log] { return log.count(LogLevel::kWarning, "no object of"); };
  auto all = take_all(heap, 64);
  CHECK(told() == 1);
  for (unsigned round = 0; round < 100; ++round) {  // out, in, out, in ...
    REQUIRE(heap->free(all.back()) == ErrorCode::kOk);
    REQUIRE((all.back() = heap->alloc(64)) != nullptr);
    REQUIRE(heap->alloc(64) == nullptr);
  }
  CHECK(told() <= 2);
  const int before = told();
  REQUIRE(heap->set_limit(kMiB * 8, node(0)).ok());
  REQUIRE(heap->reserve(kMiB * 8, node(0)).ok());
  take_all(heap, 64);
  CHECK(told() == before + 1);
}

TEST_CASE("a limit below one slab takes no memory that could not be used") {
  TestHeap heap(small_regions());
  REQUIRE(heap->set_limit(Bytes{1000}, node(0)).ok());
  CHECK(heap->alloc(64) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(heap->stats().backing.rep == 0);
}

TEST_CASE("a failed bulk counts as many failures as objects, and one of nothing succeeds") {
  TestHeap heap(small_regions());
  heap.backing.cap(node(0), kMiB * 4);
  void* ptrs[64] = {};
  const auto all = take_all(heap, 64);
  const auto before = heap->stats();
  CHECK(heap->alloc_bulk(ptrs, 64, 64) == ErrorCode::kNoMemory);
  CHECK(heap->stats().nomem == before.nomem + 64);
  CHECK(heap->stats().allocs - heap->stats().frees == before.allocs - before.frees);
  CHECK(heap->alloc_bulk(nullptr, 0, 64) == ErrorCode::kOk);
}

}  // namespace
}  // namespace fastmem::core
