// SPDX-License-Identifier: BSD-3-Clause
// Memory that comes ahead of need and goes by itself, through C and C++: does each call do what it says, on real memory?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "api/fastmem.hpp"
#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::kMegabyte;

bool comes_true(const std::function<bool()>& holds) {
  for (unsigned i = 0; i < 3000 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return holds();
}

fastmem_config_t quiet_config() {
  fastmem_config_t config = test::small_config();
  config.pressure_window_us = 0;  // the machine's own pressure is no part of this
  return config;
}

std::size_t free_of(const CHeap& heap) { return heap.node_stats(test::some_node(heap)).bytes_free; }

// In regions of 2 MiB, each of which may go alone.
void come_and_go(const CHeap& heap, std::size_t megabytes) {
  std::vector<void*> all;
  for (std::size_t i = 0; i < megabytes; ++i) all.push_back(heap.alloc(kMegabyte));
  CHECK(heap.free_all(all) == 0);
  fastmem_flush(heap);
}

struct Told {
  std::atomic<unsigned> low{0};
  std::atomic<unsigned> high{0};
  std::atomic<int> node{-1};
  std::atomic<std::size_t> free{0};
};
void on_mark(int event, int node, std::size_t free, void* context) {
  Told& told = *static_cast<Told*>(context);
  told.node = node;
  told.free = free;
  ++(event == FASTMEM_BELOW_LOW ? told.low : told.high);
}

TEST_CASE("floor, trim by bytes, and a limit of all nodes together") {
  const CHeap heap(quiet_config());
  const int node = test::some_node(heap);
  REQUIRE(fastmem_set_floor(heap, 4 * kMegabyte, node) == 0);
  CHECK(heap.stats().bytes_backing >= 4 * kMegabyte);
  CHECK(fastmem_set_floor(heap, kMegabyte, 9999) == -ENODEV);
  come_and_go(heap, 20);
  const std::size_t held = heap.stats().bytes_backing;
  const std::size_t gone = fastmem_trim_bytes(heap, 2 * kMegabyte);
  CHECK(gone != 0);
  CHECK(heap.stats().bytes_backing == held - gone);
  fastmem_trim(heap);
  CHECK(heap.stats().bytes_backing == 4 * kMegabyte);
  CHECK(fastmem_trim_bytes(heap, SIZE_MAX) == 0);
  REQUIRE(fastmem_set_floor(heap, 0, FASTMEM_NODE_ANY) == 0);
  REQUIRE(fastmem_set_total_limit(heap, 8 * kMegabyte) == 0);
  CHECK(heap.alloc(9 * kMegabyte) == nullptr);
  CHECK(errno == ENOMEM);
  REQUIRE(fastmem_set_total_limit(heap, FASTMEM_UNLIMITED) == 0);
  CHECK(heap.free(heap.alloc(9 * kMegabyte)) == 0);
}

TEST_CASE("watermarks: arguments, the caller's own thread, callbacks") {
  const CHeap heap(quiet_config());
  const int node = test::some_node(heap);
  CHECK(fastmem_set_watermarks(heap, 2, 1, node) == -EINVAL);
  CHECK(fastmem_set_watermarks(heap, kMegabyte, kMegabyte, node) == -EINVAL);
  CHECK(fastmem_set_watermarks(heap, kMegabyte, FASTMEM_UNLIMITED, 9999) == -ENODEV);
  Told told;
  fastmem_on_watermark(heap, on_mark, &told);
  REQUIRE(fastmem_maintain(heap, 0) == 0);  // from now on this thread does it
  REQUIRE(fastmem_set_watermarks(heap, 4 * kMegabyte, 16 * kMegabyte, node) == 0);
  CHECK(told.low == 0);
  REQUIRE(fastmem_maintain(heap, 1000) == 0);
  CHECK(told.low == 1);
  CHECK(told.node == node);
  CHECK(free_of(heap) >= 4 * kMegabyte);
  come_and_go(heap, 40);
  REQUIRE(fastmem_maintain(heap, 1000) == 0);
  CHECK(told.high == 1);
  CHECK(told.free > 16 * kMegabyte);
  CHECK(free_of(heap) <= 16 * kMegabyte);
  CHECK(free_of(heap) >= 12 * kMegabyte);
  fastmem_on_watermark(heap, nullptr, nullptr);
}

TEST_CASE("the maintainer of a heap: once, stopped, started anew, and gone with the heap") {
  const CHeap heap(quiet_config());
  CHECK(fastmem_maintainer_stop(heap) == 0);
  REQUIRE(fastmem_maintainer_start(heap) == 0);
  CHECK(fastmem_maintainer_start(heap) == -EBUSY);
  REQUIRE(fastmem_set_watermarks(heap, 4 * kMegabyte, FASTMEM_UNLIMITED, FASTMEM_NODE_ANY) == 0);
  CHECK(comes_true([&] { return free_of(heap) >= 4 * kMegabyte; }));
  CHECK(fastmem_maintainer_stop(heap) == 0);
  REQUIRE(fastmem_maintainer_start(heap) == 0);
}

TEST_CASE("what a callback must not do is refused") {
  struct Inside {
    fastmem_heap_t* heap;
    int seen[4];
  };
  const CHeap heap(quiet_config());
  Inside inside{heap, {}};
  fastmem_on_pressure(
      heap,
      [](int level, void* context) {
        auto& in = *static_cast<Inside*>(context);
        in.seen[0] = level;
        in.seen[1] = fastmem_maintain(in.heap, 0);
        in.seen[2] = fastmem_maintainer_stop(in.heap);
        in.seen[3] = fastmem_pressure(in.heap, FASTMEM_PRESSURE_SOME);
        fastmem_heap_free(in.heap, fastmem_heap_alloc(in.heap, 100, 0, 0));
      },
      &inside);
  REQUIRE(fastmem_pressure(heap, FASTMEM_PRESSURE_FULL) == 0);
  CHECK(inside.seen[0] == FASTMEM_PRESSURE_FULL);
  for (int i = 1; i < 4; ++i) CHECK(inside.seen[i] == -EDEADLK);
  CHECK(fastmem_pressure(heap, 3) == -EINVAL);
}

TEST_CASE("C++ has the same") {
  Config config;
  config.pages = PageKind::kSmall;
  config.iova = IovaMode::kNone;
  config.decay = std::chrono::milliseconds(20);
  config.pressure.window_us = 0;
  Result<Heap> made = Heap::create(config);
  REQUIRE(made.ok());
  Heap& heap = made.value();
  REQUIRE(heap.start_maintainer().ok());
  heap.free(heap.alloc(64 * kMegabyte));
  CHECK(comes_true([&] { return heap.stats().backing <= kMiB * 2; }));
  heap.set_decay({});
  REQUIRE(heap.set_floor(kMiB * 4).ok());
  REQUIRE(heap.set_watermarks(kMiB * 8).ok());
  CHECK(comes_true([&] { return heap.stats().backing >= kMiB * 8; }));
  REQUIRE(heap.stop_maintainer().ok());
  REQUIRE(heap.maintain(std::chrono::milliseconds(0)).ok());
  unsigned calls = 0;
  heap.on_pressure([](int, void* n) { ++*static_cast<unsigned*>(n); }, &calls);
  REQUIRE(heap.pressure(kSomePressure).ok());
  CHECK(calls == 1);
  CHECK(heap.stats().backing >= kMiB * 4);
  REQUIRE(heap.set_floor({}).ok());
  heap.set_total_limit(kUnlimited);
  CHECK(heap.trim(kUnlimited) >= kMiB * 4);
}

}  // namespace
}  // namespace fastmem
