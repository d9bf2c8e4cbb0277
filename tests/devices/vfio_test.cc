// SPDX-License-Identifier: BSD-3-Clause
// The VFIO listener against a model of the kernel's side: what is mapped, what is refused and in which words, and that a
// refusal leaves nothing behind. tests/devices/vfio_kernel_test.cc has the kernel's own answers.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "api/devices/vfio_listener.h"
#include "tests/api/c_heap.h"

namespace fastmem::devices {
namespace {

using test::CHeap;
using test::error_text;
using test::kMegabyte;
using test::says;

constexpr int kContainer = 77;

// A container of type 1, as Linux describes it.
class FakeKernel : public VfioKernel {
 public:
  struct Mapping {
    std::uint64_t address;
    std::uint64_t size;
    std::uint32_t flags;
  };
  std::map<std::uint64_t, Mapping> mapped;
  std::uint32_t limit = 1000;
  bool tells_limit = true;
  std::vector<vfio_iova_range> ranges = {{0, 0xfedfffff}, {0xfef00000, 0xffffffffffff}};
  bool has_iommu = true;
  int fail_map_in = 0;  // the n-th from now ...
  int fail_with = 0;    // ... with this
  unsigned maps = 0;
  unsigned bad_unmaps = 0;
  bool viable = true;
  bool group_set = false;
  int api_version = VFIO_API_VERSION;

  int control(int fd, unsigned long request, void* argument) override {
    switch (request) {
      case VFIO_IOMMU_GET_INFO:
        return has_iommu && fd == kContainer ? get_info(static_cast<unsigned char*>(argument)) : -EINVAL;
      case VFIO_IOMMU_MAP_DMA:
        return map(*static_cast<vfio_iommu_type1_dma_map*>(argument));
      case VFIO_IOMMU_UNMAP_DMA:
        return unmap(*static_cast<vfio_iommu_type1_dma_unmap*>(argument));
      case VFIO_GET_API_VERSION:
        return api_version;
      case VFIO_GROUP_GET_STATUS:
        static_cast<vfio_group_status*>(argument)->flags = viable ? VFIO_GROUP_FLAGS_VIABLE : 0;
        return 0;
      case VFIO_GROUP_SET_CONTAINER:
        group_set = true;
        return 0;
      case VFIO_SET_IOMMU:
        return !group_set ? -EINVAL : has_iommu && reinterpret_cast<std::uintptr_t>(argument) == 3 ? 0 : -ENODEV;
    }
    return -ENOTTY;
  }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [iova, m] : mapped) sum += m.size;
    return sum;
  }
  bool reaches(std::uint64_t iova, const void* p) const {
    auto it = mapped.upper_bound(iova);
    if (it == mapped.begin()) return false;
    --it;
    return iova - it->first < it->second.size &&
           it->second.address + (iova - it->first) == reinterpret_cast<std::uintptr_t>(p);
  }

 private:
  int get_info(unsigned char* info) {
    vfio_iommu_type1_info head = {};
    std::memcpy(&head, info, sizeof(head));
    const std::size_t ranges_at = 32;
    const std::size_t avail_at =
        ranges_at + sizeof(vfio_iommu_type1_info_cap_iova_range) + ranges.size() * sizeof(vfio_iova_range);
    const std::size_t need = avail_at + sizeof(vfio_iommu_type1_info_dma_avail);
    const bool fits = head.argsz >= need;
    head = {static_cast<__u32>(need), VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS, 0xfffff000,
            fits ? static_cast<__u32>(ranges_at) : 0};
    std::memcpy(info, &head, sizeof(head));
    if (!fits) return 0;
    vfio_iommu_type1_info_cap_iova_range cap;
    cap.header = {VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, tells_limit ? static_cast<__u32>(avail_at) : 0};
    cap.nr_iovas = static_cast<__u32>(ranges.size());
    cap.reserved = 0;
    std::memcpy(info + ranges_at, &cap, sizeof(cap));
    std::memcpy(info + ranges_at + sizeof(cap), ranges.data(), ranges.size() * sizeof(vfio_iova_range));
    const vfio_iommu_type1_info_dma_avail avail = {{VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1, 0},
                                                   limit - static_cast<std::uint32_t>(mapped.size())};
    std::memcpy(info + avail_at, &avail, sizeof(avail));
    return 0;
  }
  int map(const vfio_iommu_type1_dma_map& m) {
    ++maps;
    if (fail_map_in != 0 && --fail_map_in == 0) return fail_with;
    if (m.argsz < sizeof(m) || m.size == 0 || (m.size | m.iova | m.vaddr) % 4096 != 0) return -EINVAL;
    for (const auto& [iova, other] : mapped) {
      if (m.iova < iova + other.size && iova < m.iova + m.size) return -EEXIST;
    }
    if (mapped.size() >= limit) return -ENOSPC;
    mapped[m.iova] = {m.vaddr, m.size, m.flags};
    return 0;
  }
  int unmap(const vfio_iommu_type1_dma_unmap& u) {
    const auto it = mapped.find(u.iova);
    if (it == mapped.end() || it->second.size != u.size) return ++bad_unmaps, -EINVAL;
    mapped.erase(it);
    return 0;
  }
};

int attach(FakeKernel& kernel, fastmem_heap_t* heap, unsigned flags = 0) {
  const fastmem_vfio_options_t options = {sizeof(options), flags};
  return vfio_attach(heap, kContainer, &options, kernel);
}

fastmem_config_t with_iovas(unsigned mode = FASTMEM_IOVA_VA) {
  fastmem_config_t config = test::small_config();
  config.iova_mode = mode;
  return config;
}

TEST_CASE("each region is one range at its own address, from before and after, until it goes") {
  FakeKernel kernel;
  const CHeap heap;
  void* const early = heap.alloc(100);
  REQUIRE(attach(kernel, heap) == 0);
  CHECK(kernel.reaches(reinterpret_cast<std::uintptr_t>(early), early));
  std::vector<void*> all;
  for (unsigned i = 0; i < 12; ++i) all.push_back(heap.alloc(kMegabyte));
  for (void* const p : all) CHECK(kernel.reaches(reinterpret_cast<std::uintptr_t>(p), p));
  const fastmem_stats_t stats = heap.stats();
  CHECK(kernel.mapped.size() == stats.regions);
  CHECK(kernel.bytes() == stats.bytes_backing);
  for (const auto& [iova, m] : kernel.mapped) CHECK(m.flags == (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE));
  CHECK(heap.free_all(all) == 0);
  fastmem_trim(heap);
  CHECK(kernel.mapped.size() == 1);
  CHECK(fastmem_vfio_detach(heap, kContainer) == 0);
  CHECK(kernel.mapped.empty());
  CHECK(fastmem_vfio_detach(heap, kContainer) == -ENOENT);
  CHECK(kernel.bad_unmaps == 0);
}

TEST_CASE("the end of the heap unmaps") {
  FakeKernel kernel;
  {
    const CHeap heap;
    REQUIRE(attach(kernel, heap, FASTMEM_VFIO_READ_ONLY) == 0);
    REQUIRE(heap.alloc(100) != nullptr);
    REQUIRE(kernel.mapped.size() == 1);
    CHECK(kernel.mapped.begin()->second.flags == VFIO_DMA_MAP_FLAG_READ);
  }
  CHECK(kernel.mapped.empty());
  CHECK(kernel.bad_unmaps == 0);
}

TEST_CASE("by the heap's IOVAs: neighbours become one range") {
  FakeKernel kernel;
  const CHeap heap(with_iovas());
  REQUIRE(attach(kernel, heap, FASTMEM_VFIO_HEAP_IOVAS) == 0);
  void* const p = heap.alloc(100);
  REQUIRE(p != nullptr);
  CHECK(kernel.mapped.size() == 1);  // virtual addresses follow each other
  CHECK(kernel.reaches(fastmem_virt_to_iova(heap, p), p));
  CHECK(fastmem_vfio_detach(heap, kContainer) == 0);
  CHECK(kernel.bad_unmaps == 0);
}

TEST_CASE("runs of a region, whatever its IOVAs are") {
  std::uint64_t iovas[6] = {0x5000, 0x6000, 0x9000, 0xa000, 0xb000, 0x1000};
  fastmem_memory_t memory = {};
  memory.base = reinterpret_cast<void*>(0x700000);
  memory.size = 6 * 4096;
  memory.page_size = 4096;
  memory.iovas = iovas;
  memory.pages = 6;
  FakeKernel kernel;
  VfioContainer container(kernel, kContainer, false);
  REQUIRE(container.map(memory) == 0);
  REQUIRE(kernel.mapped.size() == 3);
  CHECK(kernel.mapped[0x5000].size == 0x2000);
  CHECK(kernel.mapped[0x5000].address == 0x700000);
  CHECK(kernel.mapped[0x9000].size == 0x3000);
  CHECK(kernel.mapped[0x9000].address == 0x702000);
  CHECK(kernel.mapped[0x1000].size == 0x1000);
  CHECK(kernel.mapped[0x1000].address == 0x705000);
  container.unmap(memory);
  CHECK(kernel.mapped.empty());

  // The second and third run fail in turn: the first ones are undone.
  for (int nth = 1; nth <= 3; ++nth) {
    kernel.fail_map_in = nth;
    kernel.fail_with = -ENOMEM;
    CHECK(container.map(memory) == -ENOMEM);
    CHECK(says(error_text(), "RLIMIT_MEMLOCK"));
    CHECK(kernel.mapped.empty());
  }
  CHECK(kernel.bad_unmaps == 0);

  // Known beforehand: nothing is even tried.
  kernel.limit = 2;
  kernel.maps = 0;
  CHECK(container.map(memory) == -ENOSPC);
  CHECK(kernel.maps == 0);
  CHECK(says(error_text(), "3 mappings wanted"));
  CHECK(says(error_text(), "2 left of dma_entry_limit"));
  // Found out on the way.
  kernel.tells_limit = false;
  CHECK(container.map(memory) == -ENOSPC);
  CHECK(says(error_text(), "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"));
  CHECK(kernel.mapped.empty());
}

TEST_CASE("the limit of mappings ends the growth, in words, and not the objects that are there") {
  FakeKernel kernel;
  kernel.limit = 3;
  const CHeap heap;
  REQUIRE(attach(kernel, heap) == 0);
  const std::vector<void*> all = heap.alloc_all(kMegabyte);
  CHECK(errno == ENOMEM);
  CHECK(says(error_text(), "vfio 77: 1 mappings wanted for 2 MiB, 0 left of dma_entry_limit"));
  CHECK(says(error_text(), "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"));
  CHECK(all.size() >= 3);
  CHECK(heap.stats().regions == 3);
  CHECK(kernel.mapped.size() == 3);
  CHECK(heap.free_all(all) == 0);
  fastmem_trim(heap);
  CHECK(kernel.mapped.empty());
  CHECK(heap.alloc(kMegabyte) != nullptr);  // there is room again
}

TEST_CASE("addresses that the IOMMU does not translate") {
  FakeKernel kernel;
  kernel.ranges = {{0, 0xfedfffff}, {0xfef00000, 0x7fffffffff}};  // 39 bits
  const CHeap heap;
  REQUIRE(attach(kernel, heap) == 0);
  CHECK(heap.alloc(100) == nullptr);
  CHECK(says(error_text(), "its ranges end at 0x7fffffffff"));
  CHECK(says(error_text(), "FASTMEM_VFIO_HEAP_IOVAS"));
  CHECK(kernel.maps == 0);

  VfioContainer container(kernel, kContainer, false);
  std::uint64_t iova = 0xfedff000;
  fastmem_memory_t memory = {};
  memory.base = reinterpret_cast<void*>(0x700000);
  memory.size = memory.page_size = 4096;
  memory.iovas = &iova;
  memory.pages = 1;
  CHECK(container.map(memory) == 0);
  container.unmap(memory);
  memory.size = memory.page_size = 8192;  // reaches into the hole
  CHECK(container.map(memory) == -ERANGE);
  kernel.ranges = {{0, 0xfedfffff}, {0xfee00000, 0x7fffffffff}};  // no hole between the two
  CHECK(container.map(memory) == 0);
  container.unmap(memory);
  kernel.ranges = {{0, ~std::uint64_t{0}}};
  CHECK(container.map(memory) == 0);
  container.unmap(memory);
  kernel.ranges.clear();  // a kernel that does not say
  CHECK(container.map(memory) == 0);
  kernel.ranges.assign(300, {0, 1});  // more than there is room for: the kernel's own answer decides
  iova = 0x1000;
  CHECK(container.map(memory) == 0);
}

TEST_CASE("each refusal of the kernel is put into words") {
  struct Case {
    int error;
    const char* text;
  };
  for (const Case& c : {Case{-ENOMEM, "ulimit -l unlimited"}, Case{-EEXIST, "is mapped already"},
                        Case{-EINVAL, "not of the IOMMU's page sizes"}, Case{-EBUSY, "dma_entry_limit"},
                        Case{-EFAULT, "Bad address"}}) {
    CAPTURE(c.error);
    FakeKernel kernel;
    const CHeap heap;
    REQUIRE(attach(kernel, heap) == 0);
    kernel.fail_map_in = 1;
    kernel.fail_with = c.error;
    CHECK(heap.alloc(100) == nullptr);
    CHECK_MESSAGE(says(error_text(), c.text), error_text());
    CHECK(heap.stats().regions == 0);
    CHECK(heap.alloc(100) != nullptr);
    CHECK(kernel.mapped.size() == 1);
  }
}

TEST_CASE("a refusal of what is held already: not attached, nothing mapped") {
  FakeKernel kernel;
  const CHeap heap;
  const void* objects[6];
  for (const void*& p : objects) p = heap.alloc(kMegabyte);
  REQUIRE(heap.stats().regions >= 3);
  kernel.fail_map_in = 3;
  kernel.fail_with = -ENOMEM;
  CHECK(attach(kernel, heap) == -ENOMEM);
  CHECK(kernel.maps == 3);
  CHECK(kernel.mapped.empty());
  CHECK(fastmem_vfio_detach(heap, kContainer) == -ENOENT);
  CHECK(attach(kernel, heap) == 0);
  CHECK(attach(kernel, heap) == -EEXIST);
  CHECK(kernel.mapped.size() == heap.stats().regions);
}

TEST_CASE("arguments") {
  FakeKernel kernel;
  const CHeap heap;
  CHECK(vfio_attach(heap, 5, nullptr, kernel) == -EINVAL);
  CHECK(says(error_text(), "5 is no VFIO container"));
  CHECK(attach(kernel, heap, 1u << 9) == -EINVAL);
  const fastmem_vfio_options_t unset = {0, 0};
  CHECK(vfio_attach(heap, kContainer, &unset, kernel) == -EINVAL);
  CHECK(vfio_attach(heap, kContainer, nullptr, kernel) == 0);
  CHECK(fastmem_vfio_attach(heap, -1, nullptr) == -EINVAL);
  const CHeap none;  // a heap without IOVAs
  CHECK(attach(kernel, none, FASTMEM_VFIO_HEAP_IOVAS) == 0);
  CHECK(none.alloc(100) == nullptr);
  CHECK(says(error_text(), "a listener wants device addresses"));
}

int open_files() {
  int n = 0;
  for (int fd = 0; fd < 256; ++fd) n += fcntl(fd, F_GETFD) != -1;
  return n;
}

TEST_CASE("opening a container") {
  FakeKernel kernel;
  const int before = open_files();
  int group = -1;
  const int container = vfio_open("/dev/null", "/dev/zero", &group, kernel);
  CHECK(container >= 0);
  CHECK(group >= 0);
  CHECK(kernel.group_set);
  close(container);
  close(group);
  CHECK(vfio_open("/dev/null", "/dev/no such group", &group, kernel) == -ENOENT);
  CHECK(says(error_text(), "/dev/no such group"));
  CHECK(vfio_open("/dev/no such file", "/dev/zero", &group, kernel) == -ENOENT);
  CHECK(vfio_open("/dev/null", nullptr, &group, kernel) == -EINVAL);
  CHECK(vfio_open("/dev/null", "/dev/zero", nullptr, kernel) == -EINVAL);
  kernel.viable = false;
  CHECK(vfio_open("/dev/null", "/dev/zero", &group, kernel) == -EPERM);
  CHECK(says(error_text(), "bind them"));
  kernel.viable = true;
  kernel.has_iommu = false;
  CHECK(vfio_open("/dev/null", "/dev/zero", &group, kernel) == -ENODEV);
  CHECK(says(error_text(), "intel_iommu=on"));
  kernel.api_version = 1;
  CHECK(vfio_open("/dev/null", "/dev/zero", &group, kernel) == -ENOTSUP);
  CHECK(open_files() == before);
}

}  // namespace
}  // namespace fastmem::devices
