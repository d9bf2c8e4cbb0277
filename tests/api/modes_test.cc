// SPDX-License-Identifier: BSD-3-Clause
// The modes of a heap's memory through the C interface: files, preallocated, at an address, locked, prefaulted.
#include <doctest/doctest.h>
#include <fastmem.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "platform/pages.h"
#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/hugetlb_mount.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::error_text;
using test::kMegabyte;
using test::says;

bool has_free_2m(std::size_t pages) { return read_huge_pages(kMiB * 2).usable() >= pages; }

// What the kernel says of the mapping that holds p: its line in /proc/self/smaps, or a field of it.
std::string smaps(const void* p, const std::string& name = "") {
  std::ifstream in("/proc/self/smaps");
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      inside = address >= begin && address < end;
      if (inside && name.empty()) return line;
    } else if (inside && line.starts_with(name + ":")) {
      std::istringstream value(line.substr(name.size() + 1));
      std::string number;
      value >> number;
      return number;
    }
  }
  return "";
}

void check_refused(const fastmem_config_t& config, int error) {
  errno = 0;
  CHECK(fastmem_heap_create(&config) == nullptr);
  CHECK_MESSAGE(errno == error, error_text());
}

TEST_CASE("a heap in a memfd") {
  fastmem_config_t config = test::small_config();
  config.files = FASTMEM_FILES_MEMFD;
  const CHeap heap(config);
  void* const p = heap.alloc(1000, 0, FASTMEM_ZERO);
  REQUIRE(p != nullptr);
  CHECK_MESSAGE(says(smaps(p), "memfd:fastmem"), smaps(p));
  const auto child = test::run_in_child(
      [&]() -> std::string { return heap.alloc(1000) == nullptr ? "" : "memory that is the parent's"; });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

TEST_CASE("a heap in a hugetlbfs") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const test::HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  for (const unsigned files : {FASTMEM_FILES_HUGETLBFS, FASTMEM_FILES_LIST}) {
    fastmem_config_t config = test::small_config();
    config.pages = FASTMEM_PAGES_AUTO;
    config.files = files;
    config.directory = mount.directory();
    {
      const CHeap heap(config);
      void* const p = heap.alloc(1000, 0, FASTMEM_ZERO);
      REQUIRE_MESSAGE(p != nullptr, error_text());
      CHECK(smaps(p, "KernelPageSize") == "2048");
      CHECK(says(smaps(p), mount.directory()));
      CHECK(mount.names().empty());
    }
    config.keep_files = 1;
    config.file_prefix = "kept";
    const CHeap heap(config);
    REQUIRE(heap.alloc(1000) != nullptr);
    CHECK(mount.names().size() >= 2);  // the lock, and a file, or a list for each node
    check_refused(config, EBUSY);
    CHECK(says(error_text(), "file_prefix"));
  }
}

// A child is killed with a heap whose files are kept; the next heap gets the same pages, and still zeroes what it is asked
// to.
TEST_CASE("kept pages are dirty, and FASTMEM_ZERO zeroes all the same") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const test::HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  for (const unsigned files : {FASTMEM_FILES_HUGETLBFS, FASTMEM_FILES_LIST}) {
    fastmem_config_t config = test::small_config();
    config.pages = FASTMEM_PAGES_2M;
    config.files = files;
    config.directory = mount.directory();
    config.keep_files = 1;
    const auto child = test::run_in_child([&]() -> std::string {
      fastmem_heap_t* const heap = fastmem_heap_create(&config);
      void* const p = fastmem_heap_alloc_on(heap, kMegabyte, 0, FASTMEM_STRICT, test::some_node(heap));
      if (p == nullptr) return error_text();
      std::memset(p, 0x5a, kMegabyte);
      raise(SIGKILL);
      return "alive";
    });
    CHECK(child.signal == SIGKILL);
    CHECK(child.text == "");
    const CHeap heap(config);
    const int node = test::some_node(heap);
    const auto* const dirty =
        static_cast<unsigned char*>(fastmem_heap_alloc_on(heap, kMegabyte, 0, FASTMEM_STRICT, node));
    REQUIRE(dirty != nullptr);
    CHECK(dirty[kMegabyte / 2] == 0x5a);
    fastmem_heap_free(heap, const_cast<unsigned char*>(dirty));
    for (int i = 0; i < 2; ++i) {
      const auto* const zero =
          static_cast<unsigned char*>(fastmem_heap_alloc_on(heap, kMegabyte, 0, FASTMEM_ZERO | FASTMEM_STRICT, node));
      REQUIRE(zero != nullptr);
      CHECK(std::count(zero, zero + kMegabyte, 0) == static_cast<long>(kMegabyte));
    }
  }
}

TEST_CASE("a heap whose memory is all taken at the start") {
  fastmem_config_t config = test::small_config();
  config.preallocate = 16 * kMegabyte;
  config.address_space = 0;
  const CHeap heap(config);
  std::vector<void*> all = heap.alloc_all(65536);
  CHECK(all.size() * 65536 <= 16 * kMegabyte);
  CHECK(all.size() * 65536 >= 14 * kMegabyte / (heap.stats().nodes != 0 ? heap.stats().nodes : 1));
  CHECK_MESSAGE(says(error_text(), "preallocate"), error_text());
  for (void* const p : all) std::memset(p, 0xff, 65536);
  CHECK(heap.free_all(all) == 0);
  CHECK(fastmem_trim(heap) > 0);  // back into the pool, dirty
  const auto* const zero = static_cast<unsigned char*>(heap.alloc(65536, 0, FASTMEM_ZERO));
  REQUIRE(zero != nullptr);
  CHECK(std::count(zero, zero + 65536, 0) == 65536);
  config.address_space = 8 * kMegabyte;
  check_refused(config, EINVAL);
}

TEST_CASE("a heap at an address") {
  constexpr std::size_t kSpace = 64 * kMegabyte;
  void* const some = mmap(nullptr, 2 * kSpace, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(some != MAP_FAILED);
  munmap(some, 2 * kSpace);
  fastmem_config_t config = test::small_config();
  config.base_address = round_up(reinterpret_cast<std::uintptr_t>(some), 2 * kMegabyte);
  config.address_space = kSpace;
  const CHeap heap(config);
  const auto p = reinterpret_cast<std::uintptr_t>(heap.alloc(100));
  CHECK(p >= config.base_address);
  CHECK(p < config.base_address + kSpace);
  check_refused(config, EEXIST);
  CHECK(says(error_text(), "base_address"));
  config.base_address += 4096;
  check_refused(config, EINVAL);
}

TEST_CASE("a heap with a small address space serves what fits") {
  fastmem_config_t config = test::small_config();
  config.address_space = 4 * kMegabyte;
  const CHeap heap(config);
  const std::vector<void*> all = heap.alloc_all(kMegabyte);
  CHECK(all.size() >= 2);
  CHECK(all.size() <= 4);
  CHECK_MESSAGE(says(error_text(), "address_space"), error_text());
}

TEST_CASE("a heap whose small pages are locked") {
  if (read_pages().locked_limit < kMiB * 4) FM_SKIP("RLIMIT_MEMLOCK is low");
  fastmem_config_t config = test::small_config();
  config.locked = 1;
  const CHeap heap(config);
  void* const p = heap.alloc(100);
  CHECK(smaps(p, "Locked") == "2048");
  CHECK(smaps(p, "Rss") == "2048");
}

struct Told {
  std::size_t calls = 0;
  std::size_t done = 0;
  std::size_t total = 0;
  int answer = 1;

  static int tell(std::size_t done, std::size_t total, void* self) {
    auto& told = *static_cast<Told*>(self);
    ++told.calls;
    told.done = done;
    told.total = total;
    return told.answer;
  }
};

TEST_CASE("a heap that is prefaulted, and says how far it is") {
  Told told;
  fastmem_config_t config = test::small_config();
  config.prefault = 1;
  config.prefault_threads = 2;
  config.region_size = 128 * kMegabyte;
  config.progress = Told::tell;
  config.progress_context = &told;
  const CHeap heap(config);
  CHECK(fastmem_reserve(heap, 128 * kMegabyte, test::some_node(heap)) == 0);
  CHECK(told.calls >= 1);
  CHECK(told.done == 128 * kMegabyte);
  CHECK(told.total == 128 * kMegabyte);
  void* const p = fastmem_heap_alloc_on(heap, 100, 0, FASTMEM_STRICT, test::some_node(heap));
  CHECK(smaps(p, "Rss") == std::to_string(128 * 1024));
}

TEST_CASE("a heap whose growth the caller stops") {
  Told told;
  told.answer = 0;
  fastmem_config_t config = test::small_config();
  config.prefault = 1;
  config.progress = Told::tell;
  config.progress_context = &told;
  const CHeap heap(config);
  errno = 0;
  CHECK(heap.alloc(100) == nullptr);
  CHECK(errno == ENOMEM);
  CHECK_MESSAGE(says(error_text(), "stopped by the caller"), error_text());
  told.answer = 1;
  CHECK(fastmem_reserve(heap, 2 * kMegabyte, FASTMEM_NODE_ANY) == 0);
  CHECK(heap.alloc(100) != nullptr);
}

TEST_CASE("values that no mode has are refused") {
  const auto refused = [](auto change) {
    fastmem_config_t config = test::small_config();
    change(config);
    check_refused(config, EINVAL);
  };
  refused([](fastmem_config_t& c) { c.files = FASTMEM_FILES_LIST + 1; });
  refused([](fastmem_config_t& c) { c.keep_files = 2; });
  refused([](fastmem_config_t& c) { c.keep_files = 1; });  // no files
  refused([](fastmem_config_t& c) { c.directory = "/tmp"; });
  refused([](fastmem_config_t& c) { c.locked = 2; });
  refused([](fastmem_config_t& c) { c.prefault = 2; });
}

TEST_CASE("a configuration from before there were modes has none") {
  fastmem_config_t config = test::small_config();
  config.struct_size = offsetof(fastmem_config_t, files);
  std::memset(reinterpret_cast<char*>(&config) + config.struct_size, 0xff, sizeof(config) - config.struct_size);
  const CHeap heap(config);
  CHECK(heap.alloc(100) != nullptr);
}

}  // namespace
}  // namespace fastmem
