// SPDX-License-Identifier: BSD-3-Clause
// The VFIO listener on the kernel's own VFIO, where a group of devices is bound to it: what is mapped, how the kernel's
// limits read, and that a trim unmaps. That a device then reaches an object shows examples/devices/edu_dma.c.
#include <dirent.h>
#include <doctest/doctest.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "api/devices/fastmem_vfio.h"
#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/no_ipc_lock.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::error_text;
using test::kMegabyte;
using test::says;

constexpr const char* kLimit = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";

// The first group that can be opened.
class Container {
 public:
  Container() {
    why_ = "there is no /dev/vfio: no device is bound to VFIO";
    DIR* const folder = opendir("/dev/vfio");
    if (folder == nullptr) return;
    while (const dirent* const entry = readdir(folder)) {
      if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) continue;
      fd_ = fastmem_vfio_open((std::string("/dev/vfio/") + entry->d_name).c_str(), &group_);
      if (fd_ >= 0) break;
      why_ = error_text();
    }
    closedir(folder);
  }
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container() {
    if (fd_ < 0) return;
    close(group_);
    close(fd_);
  }
  bool is_there() const { return fd_ >= 0; }
  const char* why_not() const { return why_.c_str(); }
  int fd() const { return fd_; }

  // What the kernel says to another mapping there: -EEXIST if it is mapped.
  int map(std::uint64_t iova, void* p) const {
    vfio_iommu_type1_dma_map m = {};
    m.argsz = sizeof(m);
    m.flags = VFIO_DMA_MAP_FLAG_READ;
    m.vaddr = reinterpret_cast<std::uintptr_t>(p);
    m.iova = iova;
    m.size = 4096;
    return ioctl(fd_, VFIO_IOMMU_MAP_DMA, &m) == 0 ? 0 : -errno;
  }
  int unmap(std::uint64_t iova) const {
    vfio_iommu_type1_dma_unmap u = {};
    u.argsz = sizeof(u);
    u.iova = iova;
    u.size = 4096;
    return ioctl(fd_, VFIO_IOMMU_UNMAP_DMA, &u) == 0 ? 0 : -errno;
  }

 private:
  int fd_ = -1;
  int group_ = -1;
  std::string why_;
};

#define NEEDS_VFIO(container) \
  const Container container;  \
  if (!(container).is_there()) FM_SKIP((container).why_not())

// A page of our own, to map elsewhere.
alignas(4096) char g_page[4096];

std::uint64_t page_of(const void* p) { return reinterpret_cast<std::uintptr_t>(p) & ~std::uint64_t{4095}; }

// Virtual addresses, as large as the IOMMU takes them or not.
bool translates_addresses(const Container& container) {
  const CHeap heap;
  REQUIRE_MESSAGE(fastmem_vfio_attach(heap, container.fd(), nullptr) == 0, error_text());
  return heap.alloc(100) != nullptr;
}

TEST_CASE("every region is mapped while it is held, and not any more after a trim") {
  NEEDS_VFIO(container);
  if (!translates_addresses(container)) FM_SKIP("this IOMMU is too narrow for virtual addresses");
  const CHeap heap;
  void* const early = heap.alloc(4096);
  REQUIRE_MESSAGE(fastmem_vfio_attach(heap, container.fd(), nullptr) == 0, error_text());
  CHECK(container.map(page_of(early), g_page) == -EEXIST);
  std::vector<void*> all;
  for (unsigned i = 0; i < 12; ++i) {
    all.push_back(heap.alloc(kMegabyte));
    REQUIRE_MESSAGE(all.back() != nullptr, error_text());
    CHECK(container.map(page_of(all.back()), g_page) == -EEXIST);
    CHECK(container.map(page_of(all.back()) + kMegabyte - 4096, g_page) == -EEXIST);
  }
  CHECK(heap.free_all(all) == 0);
  CHECK(fastmem_trim(heap) > 0);
  for (void* const p : all) {
    if (page_of(p) >> 21 == page_of(early) >> 21) continue;
    CHECK(container.map(page_of(p), g_page) == 0);
    CHECK(container.unmap(page_of(p)) == 0);
  }
  CHECK(container.map(page_of(early), g_page) == -EEXIST);
  CHECK(fastmem_vfio_detach(heap, container.fd()) == 0);
  CHECK(container.map(page_of(early), g_page) == 0);
  // Taken by somebody else: the region is refused, with the address.
  CHECK(fastmem_vfio_attach(heap, container.fd(), nullptr) == -EEXIST);
  CHECK(says(error_text(), "is mapped already"));
  CHECK(container.unmap(page_of(early)) == 0);
}

TEST_CASE("by physical addresses, page by page") {
  NEEDS_VFIO(container);
  fastmem_config_t config = test::small_config();
  config.iova_mode = FASTMEM_IOVA_PA;
  fastmem_heap_t* const made = fastmem_heap_create(&config);
  if (made == nullptr) FM_SKIP("no physical addresses here");
  const fastmem_vfio_options_t options = {sizeof(options), FASTMEM_VFIO_HEAP_IOVAS};
  REQUIRE_MESSAGE(fastmem_vfio_attach(made, container.fd(), &options) == 0, error_text());
  void* const p = fastmem_heap_alloc(made, 4096, 4096, 0);
  CHECK_MESSAGE(p != nullptr, error_text());
  const std::uint64_t iova = fastmem_virt_to_iova(made, p);
  CHECK(container.map(iova, g_page) == -EEXIST);
  CHECK(fastmem_heap_destroy(made) == 0);
  CHECK(container.map(iova, g_page) == 0);
  CHECK(container.unmap(iova) == 0);
}

TEST_CASE("the kernel's limit of mappings") {
  {
    NEEDS_VFIO(any);
    if (!translates_addresses(any)) FM_SKIP("this IOMMU is too narrow for virtual addresses");
  }
  std::string before;
  std::ifstream(kLimit) >> before;
  std::ofstream(kLimit) << "3" << std::flush;
  std::string now;
  std::ifstream(kLimit) >> now;
  if (now != "3") FM_SKIP("dma_entry_limit cannot be set");
  {
    const Container container;
    const CHeap heap;
    CHECK(fastmem_vfio_attach(heap, container.fd(), nullptr) == 0);
    CHECK(heap.alloc_all(kMegabyte).size() >= 3);
    CHECK(heap.stats().regions == 3);
    CHECK_MESSAGE(says(error_text(), "0 left of dma_entry_limit"), error_text());
  }
  std::ofstream(kLimit) << before << std::flush;
}

TEST_CASE("RLIMIT_MEMLOCK is named") {
  {
    NEEDS_VFIO(any);
    if (!translates_addresses(any)) FM_SKIP("this IOMMU is too narrow for virtual addresses");
  }
  const test::ChildResult result = test::run_in_child([]() -> std::string {
    if (!test::lock_at_most(kMiB * 5)) return "cannot lower the limit";
    const Container container;
    if (!container.is_there()) return container.why_not();
    const CHeap heap;
    if (fastmem_vfio_attach(heap, container.fd(), nullptr) != 0) return error_text();
    std::size_t objects = 0;
    while (objects < 64 && heap.alloc(kMegabyte) != nullptr) ++objects;
    if (!says(error_text(), "RLIMIT_MEMLOCK is 5120 KiB")) return "otherwise: " + error_text();
    return heap.stats().bytes_backing == 4 * kMegabyte ? "" : "another size is held";
  });
  CHECK(result.signal == 0);
  CHECK(result.text == "");
}

}  // namespace
}  // namespace fastmem
