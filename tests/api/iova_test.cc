// SPDX-License-Identifier: BSD-3-Clause
// Are IOVAs what the kernel says the memory's frames are, and is every other answer an error with its reason?
#include <doctest/doctest.h>
#include <fastmem.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::error_text;
using test::says;

constexpr uid_t kNobody = 65534;

fastmem_config_t config_for(unsigned iova_mode, unsigned pages = FASTMEM_PAGES_4K) {
  fastmem_config_t config = test::small_config();
  config.pages = pages;
  config.iova_mode = iova_mode;
  config.address_space = 64 * test::kMegabyte;
  return config;
}

// What the kernel tells of the page at p. 0: it does not tell, or the page is not present.
std::uint64_t physical_address(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::uint64_t entry = 0;
  const bool read = pread(fd, &entry, sizeof(entry), static_cast<off_t>(address / 4096 * sizeof(entry))) ==
                    static_cast<ssize_t>(sizeof(entry));
  close(fd);
  const std::uint64_t frame = entry & ((std::uint64_t{1} << 55) - 1);
  return read && entry >> 63 != 0 && frame != 0 ? frame * 4096 + address % 4096 : 0;
}

bool frames_are_told() {
  char here = 1;
  const volatile char* const touched = &here;
  return *touched == 1 && physical_address(&here) != 0;
}

void check_against_kernel(const CHeap& heap) {
  for (const std::size_t size : {16, 1000, 5000, 100000, 1 << 20}) {
    CAPTURE(size);
    auto* const p = static_cast<char*>(heap.alloc(size));
    REQUIRE(p != nullptr);
    std::memset(p, 1, size);
    bool right = true;
    for (std::size_t at = 0; at < size; at += std::min<std::size_t>(size - at, 1000 + at / 3)) {
      right &= fastmem_virt_to_iova(heap, p + at) == physical_address(p + at);
    }
    CHECK(right);
    CHECK(fastmem_virt_to_iova(heap, p + size - 1) == physical_address(p + size - 1));
    CHECK(heap.free(p) == 0);
  }
}

// That the segments are the object, page by page, and as long as they can be.
void check_segments(const CHeap& heap, const char* p, std::size_t len) {
  const ssize_t runs = fastmem_iova_segments(heap, p, len, nullptr, 0);
  REQUIRE(runs >= 1);
  std::vector<fastmem_segment_t> segments(static_cast<std::size_t>(runs) + 1, {42, 42});
  CHECK(fastmem_iova_segments(heap, p, len, segments.data(), segments.size()) == runs);
  CHECK(segments.back().iova == 42);  // not written
  segments.pop_back();
  std::size_t at = 0;
  bool right = true;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    for (std::size_t k = 0; k < segments[i].len; k += 4096 - (segments[i].iova + k) % 4096) {
      right &= fastmem_virt_to_iova(heap, p + at + k) == segments[i].iova + k;
    }
    at += segments[i].len;
    if (i > 0) right &= segments[i - 1].iova + segments[i - 1].len != segments[i].iova;
  }
  CHECK(right);
  CHECK(at == len);
  CHECK(fastmem_iova_contiguous(heap, p, len) == (runs == 1 ? 1 : 0));
  // Too few places: the first ones, and how many there are.
  fastmem_segment_t two[2] = {{7, 7}, {7, 7}};
  CHECK(fastmem_iova_segments(heap, p, len, two, 1) == runs);
  CHECK(two[0].iova == segments[0].iova);
  CHECK(two[0].len == segments[0].len);
  CHECK(two[1].iova == 7);
}

TEST_CASE("physical addresses of every page kind are the kernel's") {
  if (!frames_are_told()) FM_SKIP("the kernel does not tell this process page frame numbers");
  for (const unsigned pages : {FASTMEM_PAGES_4K, FASTMEM_PAGES_THP, FASTMEM_PAGES_2M}) {
    for (const unsigned mode : {FASTMEM_IOVA_PA, FASTMEM_IOVA_AUTO}) {
      CAPTURE(pages);
      CAPTURE(mode);
      const fastmem_config_t config = config_for(mode, pages);
      fastmem_heap_t* const probe = fastmem_heap_create(&config);
      void* const p = probe != nullptr ? fastmem_heap_alloc(probe, 64, 0, 0) : nullptr;
      fastmem_heap_destroy(probe);
      if (p == nullptr) continue;  // that page kind is not there
      const CHeap heap(config);
      check_against_kernel(heap);
    }
  }
}

TEST_CASE("segments of scattered small pages") {
  if (!frames_are_told()) FM_SKIP("the kernel does not tell this process page frame numbers");
  const CHeap heap(config_for(FASTMEM_IOVA_PA));
  auto* const p = static_cast<char*>(heap.alloc(test::kMegabyte));
  REQUIRE(p != nullptr);
  check_segments(heap, p, test::kMegabyte);
  check_segments(heap, p + 100, 300000);
  check_segments(heap, p + 4095, 2);
  check_segments(heap, p + 8192, 1);
  CHECK(fastmem_iova_contiguous(heap, p, 4096) == 1);
}

TEST_CASE("virtual addresses: every object is one run") {
  const CHeap heap(config_for(FASTMEM_IOVA_VA));
  for (const std::size_t size : {16, 5000, 1 << 20}) {
    auto* const p = static_cast<char*>(heap.alloc(size));
    REQUIRE(p != nullptr);
    CHECK(fastmem_virt_to_iova(heap, p) == reinterpret_cast<std::uintptr_t>(p));
    CHECK(fastmem_virt_to_iova(heap, p + size - 1) == reinterpret_cast<std::uintptr_t>(p) + size - 1);
    check_segments(heap, p, size);
  }
}

TEST_CASE("none: an error that says so") {
  const CHeap heap(config_for(FASTMEM_IOVA_NONE));
  void* const p = heap.alloc(100);
  REQUIRE(p != nullptr);
  CHECK(fastmem_virt_to_iova(heap, p) == FASTMEM_BAD_IOVA);
  CHECK(says(error_text(), "IOVA mode none"));
  CHECK(fastmem_iova_contiguous(heap, p, 100) == -ENOTSUP);
  CHECK(fastmem_iova_segments(heap, p, 100, nullptr, 0) == -ENOTSUP);
}

TEST_CASE("what is not the heap's") {
  const CHeap heap(config_for(FASTMEM_IOVA_VA));
  const CHeap other(config_for(FASTMEM_IOVA_VA));
  auto* const mine = static_cast<char*>(heap.alloc(100));
  void* const theirs = other.alloc(100);
  char local = 0;
  for (const void* const p :
       {static_cast<const void*>(&local), static_cast<const void*>(theirs), static_cast<const void*>(nullptr),
        reinterpret_cast<const void*>(~std::uintptr_t{0}), static_cast<const void*>("text")}) {
    CAPTURE(p);
    CHECK(fastmem_virt_to_iova(heap, p) == FASTMEM_BAD_IOVA);
    CHECK(says(error_text(), "not in this heap"));
    CHECK(fastmem_iova_contiguous(heap, p, 8) == -EINVAL);
    CHECK(fastmem_iova_segments(heap, p, 8, nullptr, 0) == -EINVAL);
  }
  CHECK(fastmem_iova_contiguous(heap, mine, 3 * test::kMegabyte) == -EINVAL);  // beyond the region
  CHECK(fastmem_iova_segments(heap, mine, 1000 * test::kMegabyte, nullptr, 0) == -EINVAL);
  CHECK(fastmem_iova_contiguous(heap, mine, SIZE_MAX) == -EINVAL);
}

TEST_CASE("an answer stays right when memory went back and came again") {
  if (!frames_are_told()) FM_SKIP("the kernel does not tell this process page frame numbers");
  const CHeap heap(config_for(FASTMEM_IOVA_AUTO));
  for (int round = 0; round < 3; ++round) {
    check_against_kernel(heap);
    CHECK(fastmem_trim(heap) > 0);
  }
}

// ---- without rights: a child that is nobody ------------------------------------------------------------------------

std::string as_nobody(unsigned iova_mode) {
  if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return "cannot become nobody";
  const fastmem_config_t config = config_for(iova_mode);
  fastmem_heap_t* const heap = fastmem_heap_create(&config);
  if (iova_mode == FASTMEM_IOVA_PA) {
    if (heap != nullptr) return "a heap of physical addresses without the right to them";
    return errno == ENOTSUP || errno == EPERM ? error_text() : "wrong errno " + std::to_string(errno);
  }
  if (heap == nullptr) return error_text();
  auto* const p = static_cast<char*>(fastmem_heap_alloc(heap, 100, 0, FASTMEM_ZERO));
  if (p == nullptr) return error_text();
  const std::uint64_t iova = fastmem_virt_to_iova(heap, p);
  if (iova != FASTMEM_BAD_IOVA) return iova == reinterpret_cast<std::uintptr_t>(p) ? "va" : "made up";
  const std::string text = error_text();
  const int contiguous = fastmem_iova_contiguous(heap, p, 100);
  return contiguous == -EPERM || contiguous == -ENOTSUP ? text : "wrong answer " + std::to_string(contiguous);
}

TEST_CASE("without the right to frame numbers there is a text, and never 0") {
  if (geteuid() != 0) FM_SKIP("needs root, to give rights up");
  const test::ChildResult by_auto = test::run_in_child([] { return as_nobody(FASTMEM_IOVA_AUTO); });
  CHECK(by_auto.signal == 0);
  if (by_auto.text != "va") {  // it is where an IOMMU is
    CHECK_MESSAGE(says(by_auto.text, "IOVA unavailable"), by_auto.text);
    CHECK_MESSAGE(says(by_auto.text, "CAP_SYS_ADMIN"), by_auto.text);
  }
  const test::ChildResult physical = test::run_in_child([] { return as_nobody(FASTMEM_IOVA_PA); });
  CHECK(physical.signal == 0);
  CHECK_MESSAGE(says(physical.text, "CAP_SYS_ADMIN"), physical.text);
  CHECK_MESSAGE(says(physical.text, "setcap"), physical.text);
  const test::ChildResult by_va = test::run_in_child([] { return as_nobody(FASTMEM_IOVA_VA); });
  CHECK(by_va.text == "va");
}

}  // namespace
}  // namespace fastmem
