// SPDX-License-Identifier: BSD-3-Clause
// On the memory of this machine: does what a burst left go back to the system by itself, and come ahead of need?
#include <doctest/doctest.h>
#include <fastmem.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::kMegabyte;

constexpr std::size_t kBurst = 96 * kMegabyte;

bool comes_true(const std::function<bool()>& holds) {
  for (unsigned i = 0; i < 3000 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return holds();
}

std::size_t resident() {
  std::size_t size = 0;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> size >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

fastmem_config_t config_of(unsigned pages) {
  fastmem_config_t config = test::small_config();
  config.pages = pages;
  config.decay_ms = 100;
  config.pressure_window_us = 0;
  config.region_size = 32 * kMegabyte;
  return config;
}

// Small and large objects, every page touched.
void burst(const CHeap& heap) {
  std::vector<void*> all;
  for (std::size_t bytes = 0; bytes < kBurst;) {
    const std::size_t size = bytes % 3 == 0 ? 3 * kMegabyte : 1000 + bytes % 30'000;
    void* const p = heap.alloc(size);
    REQUIRE(p != nullptr);
    std::memset(p, 1, size);
    all.push_back(p);
    bytes += size;
  }
  CHECK(heap.free_all(all) == 0);
}

TEST_CASE("after a burst resident memory falls to near where it was") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's own memory hides it");
  for (const unsigned pages : {FASTMEM_PAGES_4K, FASTMEM_PAGES_THP}) {
    const fastmem_config_t config = config_of(pages);
    fastmem_heap_t* const probe = fastmem_heap_create(&config);
    if (probe == nullptr) FM_SKIP(fastmem_error_text());
    fastmem_heap_destroy(probe);
    const CHeap heap(config);
    void* const live = heap.alloc(100);
    std::vector<int> warm(kBurst / 1000);  // what burst() itself holds
    const std::size_t before = resident();
    REQUIRE(fastmem_maintainer_start(heap) == 0);
    std::thread([&] { burst(heap); }).join();
    CHECK(comes_true([&] { return resident() < before + 16 * kMegabyte; }));
    CHECK(comes_true([&] { return heap.stats().bytes_backing <= 8 * kMegabyte; }));
    CHECK(heap.free(live) == 0);
    burst(heap);  // and all comes again
  }
}

TEST_CASE("memory that comes ahead of need is resident before it is asked for") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's own memory hides it");
  fastmem_config_t config = config_of(FASTMEM_PAGES_4K);
  config.decay_ms = 0;
  const CHeap heap(config);
  heap.free(heap.alloc(100));
  const std::size_t before = resident();
  REQUIRE(fastmem_set_watermarks(heap, 64 * kMegabyte, FASTMEM_UNLIMITED, FASTMEM_NODE_ANY) == 0);
  REQUIRE(fastmem_maintainer_start(heap) == 0);
  CHECK(comes_true([&] { return resident() >= before + 60 * kMegabyte; }));
}

TEST_CASE("the kernel's pressure: who maintains waits for it, or the log says why not") {
  fastmem_config_t config = config_of(FASTMEM_PAGES_4K);
  fastmem_config_t defaults;
  fastmem_config_init(&defaults);
  config.pressure_window_us = defaults.pressure_window_us;
  static std::atomic<unsigned> lines;
  lines = 0;
  fastmem_set_log([](int, const char* line, void*) { lines += std::strstr(line, "pressure") != nullptr; }, nullptr);
  {
    const CHeap heap(config);
    fastmem_on_pressure(
        heap, [](int, void*) {}, nullptr);
    REQUIRE(fastmem_maintain(heap, 0) == 0);
    REQUIRE(fastmem_maintain(heap, 0) == 0);
  }
  fastmem_set_log(nullptr, nullptr);
  CHECK(lines <= 1);
  CHECK((lines == 0) == (access("/proc/pressure/memory", W_OK) == 0));
}

}  // namespace
}  // namespace fastmem
