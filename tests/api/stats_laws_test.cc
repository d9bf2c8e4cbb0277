// SPDX-License-Identifier: BSD-3-Clause
// Do the counters keep the conservation laws that fastmem.h states, and agree with what a program counts itself?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <algorithm>
#include <barrier>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;

template <class T>
T sized() {
  T stats = {};
  stats.struct_size = sizeof(stats);
  return stats;
}

fastmem_slot_stats_t& operator+=(fastmem_slot_stats_t& a, const fastmem_slot_stats_t& b) {
  a.cached += b.cached;
  a.alloc_cache_hits += b.alloc_cache_hits;
  a.alloc_cache_misses += b.alloc_cache_misses;
  a.alloc_nomem += b.alloc_nomem;
  a.free_cache_hits += b.free_cache_hits;
  a.free_cache_misses += b.free_cache_misses;
  return a;
}

// The counts of all slots, of one class (0: of all); and that a slot's classes add up to the slot.
fastmem_slot_stats_t sum_of_slots(const CHeap& heap, std::size_t class_size) {
  auto sum = sized<fastmem_slot_stats_t>();
  for (unsigned slot = 0; slot < fastmem_max_slots(); ++slot) {
    auto s = sized<fastmem_slot_stats_t>();
    const int found =
        class_size == 0 ? fastmem_stats_slot(heap, slot, &s) : fastmem_stats_slot_class(heap, slot, class_size, &s);
    if (found == 0) sum += s;
  }
  return sum;
}

void check_class_laws(const CHeap& heap, std::size_t size, fastmem_slot_stats_t& all_slots) {
  CAPTURE(size);
  const fastmem_class_stats_t k = heap.class_stats(size);
  const std::uint64_t slabs = std::uint64_t{k.slabs_empty} + k.slabs_partial + k.slabs_full;
  CHECK(k.class_size == size);
  CHECK(slabs * k.objects_per_slab == k.in_use + k.cached + k.free_in_slabs);
  CHECK(k.slab_acquires - k.slab_releases == slabs);
  CHECK(k.free_in_slabs >= k.slabs_empty * k.objects_per_slab);
  CHECK(k.free_in_slabs <= (slabs - k.slabs_full) * k.objects_per_slab);
  const fastmem_slot_stats_t s = sum_of_slots(heap, size);
  CHECK(k.alloc_cache_hits == s.alloc_cache_hits);
  CHECK(k.alloc_cache_misses == s.alloc_cache_misses);
  CHECK(k.free_cache_hits == s.free_cache_hits);
  CHECK(k.free_cache_misses == s.free_cache_misses);
  CHECK(k.alloc_nomem == s.alloc_nomem);
  CHECK(k.cached >= s.cached);  // the depot's too
  all_slots += s;
}

void check_node_laws(const CHeap& heap, const fastmem_stats_t& all) {
  std::uint64_t backing = 0;
  std::uint64_t slabs = 0;
  std::uint32_t regions = 0;
  std::uint32_t nodes = 0;
  for (int node = 0; node < 1024; ++node) {
    auto n = sized<fastmem_node_stats_t>();
    if (fastmem_stats_node(heap, node, &n) != 0) continue;
    CHECK(n.bytes_backing == n.bytes_slabs + n.bytes_free);
    CHECK(n.node == node);
    backing += n.bytes_backing;
    slabs += n.bytes_slabs;
    regions += n.regions;
    ++nodes;
  }
  CHECK(all.bytes_backing == backing);
  CHECK(all.bytes_slabs == slabs);
  CHECK(all.regions == regions);
  CHECK(all.nodes == nodes);
}

// While no other thread is inside the heap. `reset`: alloc_total and free_total began again at different moments.
void check_laws(const CHeap& heap, bool reset = false) {
  const fastmem_stats_t all = heap.stats();
  std::uint64_t in_use = 0;
  std::uint64_t bytes_in_use = 0;
  std::uint64_t bytes_cached = 0;
  std::uint64_t bytes_slabs = 0;
  std::uint64_t allocs = 0;
  std::uint64_t frees = 0;
  auto slots_by_class = sized<fastmem_slot_stats_t>();
  for (const std::size_t size : heap.classes()) {
    check_class_laws(heap, size, slots_by_class);
    const fastmem_class_stats_t k = heap.class_stats(size);
    if (!reset) {
      CHECK(k.alloc_cache_hits + k.alloc_cache_misses - k.free_cache_hits - k.free_cache_misses == k.in_use);
    }
    in_use += k.in_use;
    bytes_in_use += k.in_use * size;
    bytes_cached += k.cached * size;
    bytes_slabs += (std::uint64_t{k.slabs_empty} + k.slabs_partial + k.slabs_full) * k.objects_per_slab * size;
    allocs += k.alloc_cache_hits + k.alloc_cache_misses;
    frees += k.free_cache_hits + k.free_cache_misses;
  }
  CHECK(all.bytes_in_use == bytes_in_use);
  CHECK(all.bytes_cached == bytes_cached);
  CHECK(all.bytes_slabs >= bytes_slabs);  // a slab's last bytes may hold no object
  CHECK(all.bytes_slabs <= bytes_slabs + bytes_slabs / 4);
  CHECK(all.bytes_slabs <= all.bytes_backing);
  CHECK(all.alloc_total == allocs);
  CHECK(all.free_total == frees);
  if (!reset) CHECK(all.alloc_total - all.free_total == in_use);
  const fastmem_slot_stats_t slots = sum_of_slots(heap, 0);
  CHECK(slots.alloc_cache_hits == slots_by_class.alloc_cache_hits);
  CHECK(slots.alloc_cache_misses == slots_by_class.alloc_cache_misses);
  CHECK(slots.free_cache_hits == slots_by_class.free_cache_hits);
  CHECK(slots.free_cache_misses == slots_by_class.free_cache_misses);
  CHECK(slots.cached == slots_by_class.cached);
  CHECK(slots.alloc_nomem == slots_by_class.alloc_nomem);
  CHECK(slots.alloc_nomem == all.alloc_nomem);
  check_node_laws(heap, all);
}

// A random walk through the interface that keeps its own books.
class Walk {
 public:
  Walk(const CHeap& heap, unsigned seed) : heap_(heap), random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
  }
  void free_everything() {
    for (void* const p : live_) REQUIRE(heap_.free(p) == 0);
    frees += live_.size();
    live_.clear();
  }
  std::size_t live() const { return live_.size(); }

  std::uint64_t allocs = 0;
  std::uint64_t frees = 0;
  std::uint64_t failures = 0;

 private:
  void step() {
    const std::size_t size = std::size_t{1} << random_() % 18;
    switch (random_() % 8) {
      case 0:
        return bulk(1 + random_() % 300, size % 2048 + 1);
      case 1:
        return free_some(random_() % 300);
      case 2:
        return by_handle(size);
      case 3:
        return resize(size);
      case 4:
      case 5:
        return note(heap_.alloc(size, 0, size % 3 == 0 ? FASTMEM_ZERO : 0));
      default:
        return free_some(1);
    }
  }
  void note(void* p) {
    if (p == nullptr) {
      ++failures;
      return;
    }
    live_.push_back(p);
    ++allocs;
  }
  void bulk(std::size_t n, std::size_t size) {
    std::vector<void*> objects(n);
    if (fastmem_heap_alloc_bulk(heap_, objects.data(), n, size, 0, 0, FASTMEM_NODE_ANY) != 0) {
      ++failures;
      return;
    }
    live_.insert(live_.end(), objects.begin(), objects.end());
    allocs += n;
  }
  void free_some(std::size_t n) {
    n = std::min(n, live_.size());
    for (std::size_t i = 0; i < n; ++i) std::swap(live_[random_() % live_.size()], live_[live_.size() - 1 - i]);
    REQUIRE(fastmem_heap_free_bulk(heap_, live_.data() + live_.size() - n, n) == 0);
    live_.resize(live_.size() - n);
    frees += n;
  }
  void by_handle(std::size_t size) {
    fastmem_handle_t handle = 0;
    REQUIRE(fastmem_handle(heap_, size, 0, FASTMEM_NODE_ANY, &handle) == 0);
    void* const p = fastmem_handle_alloc(heap_, handle, 0);
    if (p == nullptr || random_() % 2 == 0) return note(p);
    REQUIRE(fastmem_handle_free(heap_, handle, p) == 0);
    ++allocs;
    ++frees;
  }
  void resize(std::size_t size) {
    if (live_.empty()) return;
    void* const moved = fastmem_heap_realloc(heap_, live_.back(), size, 0);
    if (moved == nullptr) {
      ++failures;
    } else if (moved != live_.back()) {
      ++allocs;
      ++frees;
      live_.back() = moved;
    }
  }

  const CHeap& heap_;
  std::mt19937 random_;
  std::vector<void*> live_;
};

TEST_CASE("a heap that did nothing") {
  const CHeap heap;
  check_laws(heap);
  CHECK(heap.stats().alloc_total == 0);
  CHECK(heap.stats().bytes_backing == 0);
  CHECK(heap.stats().bytes_metadata > 0);
}

TEST_CASE("one thread: after every few steps, after flush, after trim, to the end") {
  for (const unsigned profile : {FASTMEM_PROFILE_FINE, FASTMEM_PROFILE_RFC}) {
    fastmem_config_t config = test::small_config();
    config.profile = profile;
    const CHeap heap(config);
    Walk walk(heap, 1 + profile);
    for (int round = 0; round < 20; ++round) {
      walk.run(200);
      if (round % 5 == 3) fastmem_flush(heap);
      if (round % 5 == 4) fastmem_trim(heap);
      check_laws(heap);
      CHECK(heap.stats().alloc_total == walk.allocs);
      CHECK(heap.stats().free_total == walk.frees);
    }
    walk.free_everything();
    check_laws(heap);
    CHECK(heap.stats().bytes_in_use == 0);
    fastmem_trim(heap);
    check_laws(heap);
    CHECK(heap.stats().bytes_backing == 0);
  }
}

TEST_CASE("at a limit: what failed is counted once, and bulks that failed changed nothing") {
  const CHeap heap;
  REQUIRE(fastmem_set_limit(heap, 3 * test::kMegabyte, FASTMEM_NODE_ANY) == 0);
  Walk walk(heap, 3);
  for (int round = 0; round < 10; ++round) {
    walk.run(1000);
    check_laws(heap);
    CHECK(heap.stats().alloc_nomem == walk.failures);
    CHECK(heap.stats().alloc_total - heap.stats().free_total == walk.live());
  }
  CHECK(walk.failures > 0);
}

TEST_CASE("several threads: whenever all of them pause, and when they have ended") {
  constexpr int kThreads = 4;
  const CHeap heap;
  std::vector<Walk> walks;
  for (unsigned t = 0; t < kThreads; ++t) walks.emplace_back(heap, 10 + t);
  std::barrier pause(kThreads + 1);
  std::vector<std::thread> threads;
  for (Walk& walk : walks) {
    threads.emplace_back([&walk, &pause] {
      for (int round = 0; round < 6; ++round) {
        walk.run(1500);
        pause.arrive_and_wait();
        pause.arrive_and_wait();
      }
    });
  }
  const auto check_totals = [&] {
    std::uint64_t allocs = 0;
    std::uint64_t live = 0;
    for (const Walk& walk : walks) {
      allocs += walk.allocs;
      live += walk.live();
    }
    check_laws(heap);
    CHECK(heap.stats().alloc_total == allocs);
    CHECK(heap.stats().alloc_total - heap.stats().free_total == live);
  };
  for (int round = 0; round < 6; ++round) {
    pause.arrive_and_wait();
    check_totals();
    if (round % 3 == 2) fastmem_trim(heap);
    pause.arrive_and_wait();
  }
  for (std::thread& thread : threads) thread.join();
  check_totals();
  for (Walk& walk : walks) walk.free_everything();  // by this thread: remote frees
  check_totals();
  CHECK(heap.stats().bytes_in_use == 0);
}

TEST_CASE("reset: totals from 0, what is in use, cached and held stays true") {
  const CHeap heap;
  Walk walk(heap, 5);
  walk.run(2000);
  const fastmem_stats_t before = heap.stats();
  fastmem_stats_reset(heap);
  const fastmem_stats_t after = heap.stats();
  CHECK(after.alloc_total == 0);
  CHECK(after.free_total == 0);
  CHECK(after.alloc_nomem == 0);
  CHECK(after.bytes_in_use == before.bytes_in_use);
  CHECK(after.bytes_cached == before.bytes_cached);
  CHECK(after.bytes_backing == before.bytes_backing);
  CHECK(after.bytes_slabs == before.bytes_slabs);
  check_laws(heap, true);
  const std::uint64_t allocs = walk.allocs;
  const std::uint64_t frees = walk.frees;
  walk.run(2000);
  check_laws(heap, true);
  CHECK(heap.stats().alloc_total == walk.allocs - allocs);
  CHECK(heap.stats().free_total == walk.frees - frees);
  walk.free_everything();
  CHECK(heap.stats().bytes_in_use == 0);
}

TEST_CASE("hits and misses: the second of two objects comes from the cache") {
  const CHeap heap;
  void* const a = heap.alloc(64);
  void* const b = heap.alloc(64);
  CHECK(heap.class_stats(64).alloc_cache_misses == 1);
  CHECK(heap.class_stats(64).alloc_cache_hits == 1);
  heap.free(a);
  heap.free(b);
  const fastmem_class_stats_t k = heap.class_stats(64);
  CHECK(k.free_cache_hits + k.free_cache_misses == 2);
  CHECK(k.slab_acquires == 1);
}

TEST_CASE("slots: those that hold caches now") {
  const CHeap heap;
  CHECK(heap.stats().slots == 0);
  heap.free(heap.alloc(64));
  CHECK(heap.stats().slots == 1);
  std::thread([&] {
    heap.free(heap.alloc(64));
    CHECK(heap.stats().slots == 2);
  }).join();
  CHECK(heap.stats().slots == 1);  // the thread has ended, and its caches with it
}

}  // namespace
}  // namespace fastmem
