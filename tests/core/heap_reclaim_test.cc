// SPDX-License-Identifier: BSD-3-Clause
// Before ENOMEM: memory in the caches of other threads, in depots and in empty slabs of other classes is found.
#include <doctest/doctest.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

// A thread that does one thing and then idles, its caches as they are.
class IdleThread {
 public:
  explicit IdleThread(const std::function<void()>& work)
      : thread_([this, work] {
          work();
          std::unique_lock lock(mutex_);
          worked_ = true;
          changed_.notify_all();
          changed_.wait(lock, [this] { return may_end_; });
        }) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return worked_; });
  }
  IdleThread(const IdleThread&) = delete;
  IdleThread& operator=(const IdleThread&) = delete;
  ~IdleThread() {
    {
      const std::lock_guard lock(mutex_);
      may_end_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool worked_ = false;
  bool may_end_ = false;
  std::thread thread_;
};

TestHeap::Setup four_mebibytes() {
  TestHeap::Setup setup;
  setup.config.region_size = kMiB * 4;
  return setup;
}

unsigned fill(TestHeap& heap, std::size_t size) {
  unsigned n = 0;
  while (heap->alloc(size) != nullptr) ++n;
  return n;
}

TEST_CASE("objects cached by an idle thread") {
  TestHeap heap(four_mebibytes());
  heap.backing.cap(node(0), kMiB * 4);
  const IdleThread idle([&] {
    std::vector<void*> all;
    while (void* const p = heap->alloc(64)) all.push_back(p);
    for (void* const p : all) heap->free(p);
  });
  CHECK(heap->stats().cached.rep > 0);
  CHECK(fill(heap, 64) == (kMiB * 4).rep / 64);  // to the last one
  heap->check_invariants();
}

TEST_CASE("the memory of an idle thread's caches serves another class") {
  TestHeap heap(four_mebibytes());
  heap.backing.cap(node(0), kMiB * 4);
  const IdleThread idle([&] {
    // A few objects of each class, all freed: every class has slabs that are held by what the caches have.
    for (const std::size_t size : {16, 64, 256, 1000, 4000, 10'000, 50'000}) heap->free(heap->alloc(size));
  });
  CHECK(fill(heap, kMaxSize) == 4);
  heap.check_laws(4);
}

TEST_CASE("the depot's magazines") {
  TestHeap heap(four_mebibytes());
  heap.backing.cap(node(0), kMiB * 4);
  std::thread([&] {
    for (unsigned round = 0; round < 4; ++round) {  // the depot is wider each time
      std::vector<void*> all;
      for (unsigned i = 0; i < 10'000; ++i) all.push_back(heap->alloc(256));
      for (void* const p : all) heap->free(p);
    }
  }).join();
  auto k = heap->class_stats(256);
  REQUIRE(k.ok());
  CHECK(k->cached > 1000);
  CHECK(fill(heap, kMaxSize) == 4);
  heap.check_laws(4);
}

TEST_CASE("the caller's own caches") {
  TestHeap heap(four_mebibytes());
  heap.backing.cap(node(0), kMiB * 4);
  std::vector<void*> all;
  while (void* const p = heap->alloc(100)) all.push_back(p);
  for (void* const p : all) heap->free(p);
  CHECK(fill(heap, 1'000'000) == 4);
  heap.check_laws(4);
}

TEST_CASE("empty slabs of another class, before more memory is asked for") {
  TestHeap heap(four_mebibytes());
  std::vector<void*> all;
  const auto empty = [&] { return heap->class_stats(65'536).value().slabs_empty; };
  for (unsigned n = 1; empty() == 0; ++n) {  // full magazines travel whole: one that is not brings a slab back
    REQUIRE(n < 40);
    std::thread([&] {
      for (unsigned i = 0; i < n; ++i) all.push_back(heap->alloc(65'536));
      for (void* const p : all) heap->free(p);
    }).join();
    all.clear();
  }
  const unsigned reserves = heap.backing.reserves();
  while (heap.backing.reserves() == reserves) REQUIRE(heap->alloc(30'000) != nullptr);
  CHECK(empty() == 0);  // it went first
}

TEST_CASE("what an idle thread uses stays with it") {
  TestHeap heap(four_mebibytes());
  heap.backing.cap(node(0), kMiB * 4);
  std::vector<void*> theirs;
  const IdleThread idle([&] {
    for (unsigned i = 0; i < 100; ++i) {
      theirs.push_back(heap->alloc(64));
      std::memset(theirs.back(), static_cast<int>(i), 64);
    }
  });
  unsigned mine = 0;
  while (void* const p = heap->alloc(64)) {
    std::memset(p, 0xff, 64);
    ++mine;
  }
  CHECK(mine == (kMiB * 4).rep / 64 - 100);
  for (unsigned i = 0; i < 100; ++i) CHECK(all_bytes(theirs[i], 64, static_cast<unsigned char>(i)));
}

TEST_CASE("a thread that ends leaves nothing behind") {
  TestHeap heap(four_mebibytes());
  heap.backing.cap(node(0), kMiB * 4);
  for (unsigned round = 0; round < 20; ++round) {
    std::thread([&] {
      std::vector<void*> all;
      for (unsigned i = 0; i < 500; ++i) all.push_back(heap->alloc(1000));
      for (void* const p : all) heap->free(p);
    }).join();
    heap.check_laws(0);
    CHECK(heap->stats().slots <= 2);  // threads that come one after another share a slot
  }
}

}  // namespace
}  // namespace fastmem::core
