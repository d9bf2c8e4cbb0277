// SPDX-License-Identifier: BSD-3-Clause
// On the memory of this machine: does what a burst left go back to the system by itself, and come ahead of need?
#include <doctest/doctest.h>
#include <fastmem.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
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
    fastmem_config_t config = config_of(pages);
    config.pressure_window_us = 0;
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
  config.pressure_window_us = 0;
  const CHeap heap(config);
  heap.free(heap.alloc(100));
  const std::size_t before = resident();
  REQUIRE(fastmem_set_watermarks(heap, 64 * kMegabyte, FASTMEM_UNLIMITED, FASTMEM_NODE_ANY) == 0);
  REQUIRE(fastmem_maintainer_start(heap) == 0);
  CHECK(comes_true([&] { return resident() >= before + 60 * kMegabyte; }));
}

TEST_CASE("the kernel's pressure: who maintains waits for it, or the log says why not") {
  const fastmem_config_t config = config_of(FASTMEM_PAGES_4K);
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

// Whoever lives here has 24 MiB: a file of 48 MiB that is read again and again makes it wait for memory.
class SmallMemoryCgroup {
 public:
  SmallMemoryCgroup() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string device, point, type, options, rest; mounts >> device >> point >> type >> options;) {
      std::getline(mounts, rest);
      if (type == "cgroup" && (options + ",").find(",memory,") != std::string::npos)
        path_ = point + "/fastmem_psi_test";
    }
    if (path_.empty()) return;
    path_ += std::to_string(getpid());
    std::error_code refused;
    if (!std::filesystem::create_directory(path_, refused)) path_.clear();
  }
  SmallMemoryCgroup(const SmallMemoryCgroup&) = delete;
  SmallMemoryCgroup& operator=(const SmallMemoryCgroup&) = delete;
  ~SmallMemoryCgroup() {
    if (!path_.empty()) rmdir(path_.c_str());
  }
  bool usable() const { return !path_.empty(); }
  bool enter() const {
    std::ofstream(path_ + "/memory.limit_in_bytes") << (24 << 20) << std::flush;
    return static_cast<bool>(std::ofstream(path_ + "/cgroup.procs") << getpid() << std::flush);
  }

 private:
  std::string path_;
};

void read_again_and_again(const std::string& file, const std::atomic<bool>& stop) {
  std::vector<char> buffer(1 << 16);
  while (!stop) {
    std::ifstream in(file, std::ios::binary);
    while (!stop && in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()))) {
    }
  }
}

TEST_CASE("real pressure reaches the callback, and the heap's free memory goes") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's own memory does not fit the cgroup");
  if (access("/proc/pressure/memory", W_OK) != 0) FM_SKIP("no /proc/pressure/memory that may be written");
  const SmallMemoryCgroup group;
  if (!group.usable()) FM_SKIP("no memory cgroup of version 1 may be made");
  const char* const directory = std::getenv("TEST_TMPDIR");
  const std::string file = std::string(directory != nullptr ? directory : "/tmp") + "/fastmem_psi.bin";
  const test::ChildResult child = test::run_in_child([&]() -> std::string {
    if (!group.enter()) return "not entered";
    {
      std::ofstream out(file, std::ios::binary);  // its pages count where they are written
      const std::string block(kMegabyte, 'x');
      for (int i = 0; i < 48; ++i) out << block;
    }
    fastmem_config_t config = config_of(FASTMEM_PAGES_4K);
    config.decay_ms = 0;
    config.pressure_some_us = 5'000;
    config.pressure_full_us = 0;
    fastmem_heap_t* const heap = fastmem_heap_create(&config);
    if (heap == nullptr) return fastmem_error_text();
    static std::atomic<int> level;
    fastmem_on_pressure(
        heap, [](int l, void*) { level = l; }, nullptr);
    fastmem_heap_free(heap, fastmem_heap_alloc(heap, 8 * kMegabyte, 0, 0));
    if (fastmem_maintainer_start(heap) != 0) return fastmem_error_text();
    std::atomic<bool> stop{false};
    std::thread reader([&] { read_again_and_again(file, stop); });
    const bool called = comes_true([&] { return level != 0; });
    stop = true;
    reader.join();
    fastmem_stats_t stats = {};
    stats.struct_size = sizeof(stats);
    fastmem_stats(heap, &stats);
    if (!called) return "not called";
    if (level != FASTMEM_PRESSURE_SOME) return "level";
    if (stats.bytes_backing > 2 * kMegabyte) return "free memory stays";
    return fastmem_heap_destroy(heap) == 0 ? "" : "not destroyed";
  });
  std::remove(file.c_str());
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

}  // namespace
}  // namespace fastmem
