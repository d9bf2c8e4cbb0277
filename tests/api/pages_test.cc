// SPDX-License-Identifier: BSD-3-Clause
// Does a heap hold the page kind that was named, or else say what is missing and which command helps?
#include "platform/pages.h"

#include <doctest/doctest.h>
#include <fastmem.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::error_text;
using test::says;

fastmem_config_t config_of(unsigned pages) {
  fastmem_config_t config = test::small_config();
  config.pages = pages;
  config.address_space = 0;
  return config;
}

// A field of the mapping that holds p, from /proc/self/smaps: what the kernel says, not the library.
std::string smaps_field(const void* p, const std::string& name) {
  std::ifstream smaps("/proc/self/smaps");
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) inside = address >= begin && address < end;
    if (inside && line.rfind(name + ":", 0) == 0) {
      std::istringstream value(line.substr(name.size() + 1));
      std::string number;
      value >> number;
      return name == "VmFlags" ? line : number;
    }
  }
  return "";
}

std::string kernel_page_kib(const void* p) { return smaps_field(p, "KernelPageSize"); }

void use_heap(const CHeap& heap) {
  std::vector<void*> objects(50);
  REQUIRE_MESSAGE(fastmem_heap_alloc_bulk(heap, objects.data(), 50, 20000, 0, FASTMEM_ZERO, FASTMEM_NODE_ANY) == 0,
                  error_text());
  for (void* const p : objects) std::memset(p, 1, 20000);
  CHECK(heap.free_all(objects) == 0);
}

TEST_CASE("4 KiB pages") {
  const CHeap heap(config_of(FASTMEM_PAGES_4K));
  use_heap(heap);
  CHECK(kernel_page_kib(heap.alloc(100)) == "4");
}

TEST_CASE("transparent huge pages, or the command that switches them on") {
  if (read_pages().transparent == TransparentHuge::kMadvise || read_pages().transparent == TransparentHuge::kAlways) {
    const CHeap heap(config_of(FASTMEM_PAGES_THP));
    use_heap(heap);
    CHECK(says(smaps_field(heap.alloc(100), "VmFlags"), " hg"));  // the kernel was advised
    return;
  }
  const fastmem_config_t config = config_of(FASTMEM_PAGES_THP);
  CHECK(fastmem_heap_create(&config) == nullptr);
  CHECK(errno == ENOTSUP);
  CHECK_MESSAGE(says(error_text(), "/sys/kernel/mm/transparent_hugepage/enabled"), error_text());
}

// The text names the size, what is there, and a command that a shell takes.
void check_advice(const std::string& text, const std::string& size) {
  CHECK_MESSAGE(says(text, size), text);
  CHECK_MESSAGE((says(text, "nr_hugepages") || says(text, "hugepagesz=") || says(text, "hugetlb.")), text);
  CHECK_MESSAGE((says(text, "echo ") || says(text, "sysctl") || says(text, "hugepagesz=")), text);
}

// Either there from the start, refused when the heap is made, or refused when it first needs a page.
void check_hugetlb(unsigned kind, const std::string& kib, const std::string& size) {
  const fastmem_config_t config = config_of(kind);
  errno = 0;
  fastmem_heap_t* const made = fastmem_heap_create(&config);
  if (made == nullptr) {
    CHECK(errno == ENOTSUP);
    check_advice(error_text(), size);
    return;
  }
  errno = 0;
  void* const p = fastmem_heap_alloc(made, 100, 0, FASTMEM_ZERO);
  if (p != nullptr) {
    CHECK(kernel_page_kib(p) == kib);
  } else {
    CHECK(errno == ENOMEM);
    check_advice(error_text(), size);
  }
  CHECK(fastmem_heap_destroy(made) == 0);
}

TEST_CASE("2 MiB hugetlb pages, or the command that makes some") { check_hugetlb(FASTMEM_PAGES_2M, "2048", "2 MiB"); }

TEST_CASE("1 GiB hugetlb pages, or the command that makes some") {
  check_hugetlb(FASTMEM_PAGES_1G, "1048576", "1 GiB");
}

TEST_CASE("hugetlb pages go back to the pool when the heap goes") {
  const std::size_t before = read_huge_pages(kMiB * 2).all.free;
  if (before < 4) FM_SKIP("too few free 2 MiB hugetlb pages");
  {
    const CHeap heap(config_of(FASTMEM_PAGES_2M));
    void* const p = heap.alloc(100);
    if (p == nullptr) FM_SKIP("somebody else took the free 2 MiB hugetlb pages");
    CHECK(kernel_page_kib(p) == "2048");
    CHECK(heap.stats().bytes_backing == 2 * test::kMegabyte);
    CHECK(heap.free(p) == 0);
    CHECK(fastmem_trim(heap) == 2 * test::kMegabyte);
    CHECK(heap.stats().bytes_backing == 0);
  }
}

TEST_CASE("auto always works") {
  const CHeap heap(config_of(FASTMEM_PAGES_AUTO));
  use_heap(heap);
}

}  // namespace
}  // namespace fastmem
