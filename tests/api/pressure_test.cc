// SPDX-License-Identifier: BSD-3-Clause
// Is ENOMEM told only when no cache, no depot and no empty slab could serve, and does a failed call leave nothing
// behind?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::kMegabyte;

CHeap limited(std::size_t limit) {
  fastmem_config_t config = test::small_config();
  config.limit_per_node = limit;
  return CHeap(config);
}

// A thread that does one thing, then lives idle until it is told to end.
class IdleThread {
 public:
  template <class Work>
  explicit IdleThread(Work work) : thread_([this, work] { run(work); }) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return worked_; });
  }
  IdleThread(const IdleThread&) = delete;
  IdleThread& operator=(const IdleThread&) = delete;
  ~IdleThread() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  template <class Work>
  void run(const Work& work) {
    work();
    std::unique_lock lock(mutex_);
    worked_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return done_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool worked_ = false;
  bool done_ = false;
  std::thread thread_;
};

// How many objects of a class fit: the yardstick for what must be served again.
std::size_t fill_and_free(const CHeap& heap, std::size_t size) {
  const std::vector<void*> objects = heap.alloc_all(size);
  REQUIRE(objects.size() > 2);
  REQUIRE(heap.free_all(objects) == 0);
  return objects.size();
}

void must_serve(const CHeap& heap, std::size_t n, std::size_t size) {
  CAPTURE(size);
  std::vector<void*> objects(n);
  CHECK_MESSAGE(fastmem_heap_alloc_bulk(heap, objects.data(), n, size, 0, 0, FASTMEM_NODE_ANY) == 0,
                test::error_text());
  CHECK(heap.alloc(size) == nullptr);  // it was all there is
  CHECK(heap.free_all(objects) == 0);
}

// What is left when memory is called short: nothing that anybody keeps without using it.
void check_nothing_hoarded(const CHeap& heap, std::size_t size) {
  CAPTURE(size);
  REQUIRE(heap.alloc(size) == nullptr);
  CHECK(heap.stats().bytes_cached == 0);
  for (const std::size_t class_size : heap.classes()) {
    CAPTURE(class_size);
    CHECK(heap.class_stats(class_size).slabs_empty == 0);
  }
}

constexpr std::size_t kSizes[] = {16, 64, 320, 2048, 20480, 65536, 262144, 1 << 20};

TEST_CASE("what an idle thread has cached serves others") {
  for (const std::size_t size : kSizes) {
    const CHeap heap = limited(6 * kMegabyte);
    std::size_t n = 0;
    const IdleThread idle([&] { n = fill_and_free(heap, size); });
    must_serve(heap, n, size);
  }
}

TEST_CASE("what an idle thread has cached of one class serves all others") {
  for (const std::size_t size : kSizes) {
    const CHeap heap = limited(6 * kMegabyte);
    const IdleThread idle([&] { fill_and_free(heap, size); });
    for (const std::size_t other : kSizes) {
      const std::vector<void*> objects = heap.alloc_all(other);
      CHECK(objects.size() * other >= 3 * kMegabyte);  // slabs lie where there was room: not every gap fits another
      check_nothing_hoarded(heap, other);
      REQUIRE(heap.free_all(objects) == 0);
    }
  }
}

TEST_CASE("what threads cached that have ended serves others") {
  for (const std::size_t size : kSizes) {
    const CHeap heap = limited(6 * kMegabyte);
    std::size_t n = 0;
    std::thread([&] { n = fill_and_free(heap, size); }).join();
    must_serve(heap, n, size);
  }
}

TEST_CASE("what lies in the depot serves every class") {
  const CHeap heap = limited(6 * kMegabyte);
  std::thread([&] { fill_and_free(heap, 64); }).join();
  CHECK(heap.stats().bytes_cached > 0);  // full magazines went to the depot
  const std::vector<void*> objects = heap.alloc_all(65536);
  CHECK(objects.size() >= 80);
  check_nothing_hoarded(heap, 65536);
}

TEST_CASE("the last object of many threads is found") {
  const CHeap heap = limited(6 * kMegabyte);
  const std::vector<void*> all = heap.alloc_all(65536);
  REQUIRE(all.size() > 40);
  std::vector<std::unique_ptr<IdleThread>> idle;
  for (std::size_t i = 0; i < 40; ++i) {
    idle.push_back(std::make_unique<IdleThread>([&heap, p = all[i]] { REQUIRE(heap.free(p) == 0); }));
  }
  std::vector<void*> again(40);
  CHECK(fastmem_heap_alloc_bulk(heap, again.data(), 40, 65536, 0, 0, FASTMEM_NODE_ANY) == 0);
  CHECK(heap.alloc(65536) == nullptr);
}

TEST_CASE("a bulk that fails leaves nothing allocated and everything to be had") {
  for (const std::size_t size : kSizes) {
    CAPTURE(size);
    const CHeap heap = limited(5 * kMegabyte + 12345);
    const std::size_t n = fill_and_free(heap, size);
    char anything = 0;
    void* const mark = &anything;
    std::vector<void*> objects(n + 1, mark);
    CHECK(fastmem_heap_alloc_bulk(heap, objects.data(), n + 1, size, 0, 0, FASTMEM_NODE_ANY) == -ENOMEM);
    CHECK(objects == std::vector<void*>(n + 1, mark));
    CHECK(heap.stats().bytes_in_use == 0);
    fastmem_handle_t handle = 0;
    REQUIRE(fastmem_handle(heap, size, 0, FASTMEM_NODE_ANY, &handle) == 0);
    CHECK(fastmem_handle_alloc_bulk(heap, handle, objects.data(), n + 1, 0) == -ENOMEM);
    CHECK(objects == std::vector<void*>(n + 1, mark));
    CHECK(heap.stats().bytes_in_use == 0);
    must_serve(heap, n, size);
  }
}

TEST_CASE("sizes mixed at random under a limit: what is freed can always be had again") {
  const CHeap heap = limited(8 * kMegabyte);
  std::mt19937 random(7);
  std::vector<std::pair<void*, std::size_t>> live;
  for (int step = 0; step < 60000; ++step) {
    const std::size_t size = kSizes[random() % std::size(kSizes)];
    void* const p = heap.alloc(size);
    if (p != nullptr) {
      live.emplace_back(p, size);
      continue;
    }
    // The very class that was refused: one object given back is one to be had, whatever lies where.
    for (std::size_t i = 0; i < live.size(); ++i) {
      if (live[i].second != size) continue;
      REQUIRE(heap.free(live[i].first) == 0);
      live[i].first = heap.alloc(size);
      REQUIRE(live[i].first != nullptr);
      break;
    }
    for (std::size_t frees = live.size() / 2; frees > 0; --frees) {
      std::swap(live[random() % live.size()], live.back());
      REQUIRE(heap.free(live.back().first) == 0);
      live.pop_back();
    }
  }
  for (const auto& [p, size] : live) REQUIRE(heap.free(p) == 0);
  CHECK(heap.stats().bytes_in_use == 0);
}

TEST_CASE("threads at the limit: each failed call is a true one, and all memory is there after") {
  const CHeap heap = limited(6 * kMegabyte);
  const std::size_t n = fill_and_free(heap, 4096);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&heap, t, n] {
      std::mt19937 random(t);
      for (int round = 0; round < 60; ++round) {
        std::vector<void*> objects(1 + random() % (n / 2));
        if (fastmem_heap_alloc_bulk(heap, objects.data(), objects.size(), 4096, 0, 0, FASTMEM_NODE_ANY) == 0) {
          REQUIRE(heap.free_all(objects) == 0);
        } else {
          REQUIRE(test::says(test::error_text(), "no object of 4096 bytes"));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(heap.stats().bytes_in_use == 0);
  must_serve(heap, n, 4096);
}

}  // namespace
}  // namespace fastmem
