// SPDX-License-Identifier: BSD-3-Clause
// Ten thousand short threads: is every slot, every cached object and every byte of books there for the next ten
// thousand?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/sanitizers.h"

namespace fastmem {
namespace {

using test::CHeap;

constexpr int kShortThreads = test::kShadowMemory ? 1000 : 10000;
constexpr int kAtOnce = 8;

// Objects that threads leave behind for others to free: more than half of all frees are by another thread.
class LostAndFound {
 public:
  void leave(void* p) {
    const std::lock_guard lock(mutex_);
    objects_.push_back(p);
  }
  std::vector<void*> take_all() {
    const std::lock_guard lock(mutex_);
    return std::exchange(objects_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<void*> objects_;
};

void short_life(fastmem_heap_t* heap, unsigned id, LostAndFound& lost, std::atomic<unsigned>& highest_slot) {
  for (void* const p : lost.take_all()) REQUIRE(fastmem_heap_free(heap, p) == 0);
  for (unsigned i = 0; i < 20; ++i) {
    const std::size_t size = std::size_t{16} << (id + i) % 13;
    auto* const p = static_cast<unsigned char*>(fastmem_heap_alloc(heap, size, 0, 0));
    REQUIRE(p != nullptr);
    p[0] = 1;
    p[size - 1] = 1;
    if (i % 3 == 0) {
      REQUIRE(fastmem_heap_free(heap, p) == 0);
    } else {
      lost.leave(p);
    }
  }
  const unsigned slot = fastmem_slot();
  for (unsigned seen = highest_slot.load(); slot > seen && !highest_slot.compare_exchange_weak(seen, slot);) {
  }
}

// Ends with everything freed and no thread but this one.
void round_of_threads(const CHeap& heap, std::atomic<unsigned>& highest_slot) {
  LostAndFound lost;
  std::vector<std::thread> threads(kAtOnce);
  for (int id = 0; id < kShortThreads; ++id) {
    std::thread& place = threads[static_cast<std::size_t>(id % kAtOnce)];
    if (place.joinable()) place.join();
    place = std::thread([&, id] { short_life(heap, static_cast<unsigned>(id), lost, highest_slot); });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(heap.free_all(lost.take_all()) == 0);
}

TEST_CASE("short threads leave nothing in use, few slots, and need no more memory the second time") {
  const CHeap heap;
  std::atomic<unsigned> highest_slot{0};
  std::uint64_t books = 0;
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    round_of_threads(heap, highest_slot);
    const fastmem_stats_t stats = heap.stats();
    CHECK(stats.bytes_in_use == 0);
    CHECK(stats.alloc_total == stats.free_total);
    CHECK(stats.alloc_total == static_cast<std::uint64_t>(kShortThreads) * 20 * static_cast<unsigned>(round + 1));
    CHECK(stats.misuse == 0);
    CHECK(stats.slots <= 1);  // this thread's
    CHECK(highest_slot.load() <= kAtOnce + 1);
    // What lives at once differs from round to round: by a region and a few magazines, not by what each thread had.
    CHECK(stats.bytes_backing <= 100 * test::kMegabyte);
    if (round > 0) CHECK(stats.bytes_metadata <= books + test::kMegabyte / 2);
    books = stats.bytes_metadata;
    fastmem_trim(heap);
    CHECK(heap.stats().bytes_backing == 0);
  }
}

TEST_CASE("the same threads one after the other need no more memory") {
  const CHeap heap;
  const auto one_after_the_other = [&heap](int threads) {
    for (int id = 0; id < threads; ++id) {
      std::thread([&heap] {
        std::vector<void*> objects(300);
        for (const std::size_t size : {32, 1000, 30000}) {
          REQUIRE(fastmem_heap_alloc_bulk(heap, objects.data(), 300, size, 0, 0, FASTMEM_NODE_ANY) == 0);
          REQUIRE(heap.free_all(objects) == 0);
        }
      }).join();
    }
  };
  one_after_the_other(kShortThreads / 20);  // until the depots are as full as they get
  const fastmem_stats_t first = heap.stats();
  one_after_the_other(kShortThreads / 20);
  const fastmem_stats_t last = heap.stats();
  CHECK(last.bytes_backing == first.bytes_backing);
  CHECK(last.bytes_slabs <= first.bytes_slabs + test::kMegabyte / 4);
  CHECK(last.bytes_metadata == first.bytes_metadata);
  CHECK(last.bytes_in_use == 0);
}

TEST_CASE("heaps that come and go in threads that come and go leave no slot behind") {
  const unsigned mine = fastmem_slot();
  for (int i = 0; i < 200; ++i) {
    std::thread([mine] {
      const CHeap heap;
      REQUIRE(heap.free(heap.alloc(100)) == 0);
      REQUIRE(fastmem_slot() <= mine + 1);
    }).join();
  }
}

}  // namespace
}  // namespace fastmem
