// SPDX-License-Identifier: BSD-3-Clause
#include "api/devices/vfio_container.h"

#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cinttypes>
#include <cstddef>
#include <cstring>

#include "api/devices/refuse.h"

namespace fastmem::devices {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kInfoRoom = 4096;

class RealKernel : public VfioKernel {
 public:
  int control(int fd, unsigned long request, void* argument) override {
    const int result = ioctl(fd, request, argument);
    return result < 0 ? -errno : result;
  }
};

template <class T>
T read_at(const std::byte* info, std::size_t offset) {
  T value;
  std::memcpy(&value, info + offset, sizeof(value));
  return value;
}

}  // namespace

VfioKernel& real_vfio_kernel() {
  static RealKernel kernel;
  return kernel;
}

// ---- what it can map -----------------------------------------------------------------------------------------------

// Touching ranges count as one: the kernel cuts them where windows of devices end.
bool VfioContainer::Limits::allow(const Run& run) const {
  std::uint64_t next = run.iova;
  const std::uint64_t last = run.iova + (run.size - 1);
  if (last < run.iova) return false;
  for (unsigned i = 0; i < ranges; ++i) {
    const std::uint64_t range_last = range[i].iova + (range[i].size - 1);
    if (next < range[i].iova || next > range_last) continue;
    if (last <= range_last) return true;
    next = range_last + 1;
  }
  return ranges == 0;
}

int VfioContainer::ask(Limits& limits) {
  alignas(8) std::byte info[kInfoRoom] = {};
  const std::uint32_t room = kInfoRoom;
  std::memcpy(info, &room, sizeof(room));
  const int result = kernel_.control(fd_, VFIO_IOMMU_GET_INFO, info);
  if (result < 0) return result;
  const auto head = read_at<vfio_iommu_type1_info>(info, 0);
  if ((head.flags & VFIO_IOMMU_INFO_PGSIZES) != 0) limits.page_sizes = head.iova_pgsizes;
  if ((head.flags & VFIO_IOMMU_INFO_CAPS) == 0 || head.argsz > kInfoRoom) return 0;
  std::uint32_t at = head.cap_offset;
  while (at != 0 && at + sizeof(vfio_iommu_type1_info_cap_iova_range) <= kInfoRoom) {
    const auto capability = read_at<vfio_info_cap_header>(info, at);
    if (capability.id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL) {
      limits.mappings = read_at<vfio_iommu_type1_info_dma_avail>(info, at).avail;
    } else if (capability.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
      const auto count = read_at<vfio_iommu_type1_info_cap_iova_range>(info, at).nr_iovas;
      const std::size_t first = at + sizeof(vfio_iommu_type1_info_cap_iova_range);
      const bool fits = count <= kMostRanges && first + count * sizeof(vfio_iova_range) <= kInfoRoom;
      for (unsigned i = 0; fits && i < count; ++i) {
        const auto range = read_at<vfio_iova_range>(info, first + i * sizeof(vfio_iova_range));
        // One that is all of the address space would have a size of 2^64: its last byte is left out.
        const std::uint64_t size = range.end - range.start + 1;
        limits.range[limits.ranges++] = {range.start, 0, size != 0 ? size : ~std::uint64_t{0}};
      }
    }
    at = capability.next;
  }
  return 0;
}

int VfioContainer::check() {
  Limits limits;
  const int result = ask(limits);
  if (result == 0) return 0;
  return refuse(
      -EINVAL,
      "%d is no VFIO container with an IOMMU of type 1 (%s): put a group into it and set VFIO_TYPE1v2_IOMMU, or "
      "let fastmem_vfio_open() do both",
      fd_, std::strerror(-result));
}

int VfioContainer::check_limits(const fastmem_memory_t& memory) {
  Limits limits;
  if (const int result = ask(limits); result < 0) {
    return refuse(result, "container %d: %s", fd_, std::strerror(-result));
  }
  std::uint64_t wanted = 0;
  Run run;
  for (RunsOf runs(memory); runs.next(run); ++wanted) {
    if (limits.allow(run)) continue;
    const Run& highest = limits.range[limits.ranges - 1];
    return refuse(-ERANGE,
                  "the IOMMU does not translate IOVA %#" PRIx64 " .. %#" PRIx64 ", its ranges end at %#" PRIx64
                  ": use FASTMEM_VFIO_HEAP_IOVAS with physical addresses",
                  run.iova, run.iova + (run.size - 1), highest.iova + (highest.size - 1));
  }
  return wanted <= limits.mappings ? 0 : refuse_mappings(memory, wanted, limits.mappings);
}

// ---- map and unmap -------------------------------------------------------------------------------------------------

int VfioContainer::map(const fastmem_memory_t& memory) {
  if (const int error = check_limits(memory); error != 0) return error;
  Run run;
  std::uint64_t mapped = 0;
  for (RunsOf runs(memory); runs.next(run); ++mapped) {
    const int error = map_run(run);
    if (error == 0) continue;
    const Run failed = run;
    RunsOf again(memory);
    while (mapped-- != 0 && again.next(run)) unmap_run(run);
    return refuse_run(failed, memory, error);
  }
  return 0;
}

// What cannot be unmapped stays pinned for the device; the memory goes all the same, and nobody else gets those pages.
void VfioContainer::unmap(const fastmem_memory_t& memory) {
  Run run;
  for (RunsOf runs(memory); runs.next(run);) unmap_run(run);
}

int VfioContainer::map_run(const Run& run) {
  vfio_iommu_type1_dma_map map = {};
  map.argsz = sizeof(map);
  map.flags = VFIO_DMA_MAP_FLAG_READ | (read_only_ ? 0u : VFIO_DMA_MAP_FLAG_WRITE);
  map.vaddr = run.address;
  map.iova = run.iova;
  map.size = run.size;
  return kernel_.control(fd_, VFIO_IOMMU_MAP_DMA, &map);
}

void VfioContainer::unmap_run(const Run& run) {
  vfio_iommu_type1_dma_unmap unmap = {};
  unmap.argsz = sizeof(unmap);
  unmap.iova = run.iova;
  unmap.size = run.size;
  kernel_.control(fd_, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

// ---- refusals ------------------------------------------------------------------------------------------------------

int VfioContainer::refuse_mappings(const fastmem_memory_t& memory, std::uint64_t wanted, std::uint64_t left) {
  return refuse(
      -ENOSPC,
      "%" PRIu64 " mappings wanted for %zu MiB, %" PRIu64
      " left of dma_entry_limit: write more to /sys/module/vfio_iommu_type1/parameters/dma_entry_limit before "
      "the container is opened, or use larger regions or pages",
      wanted, memory.size / kMiB, left);
}

int VfioContainer::refuse_run(const Run& run, const fastmem_memory_t& memory, int error) {
  Limits limits;
  switch (error) {
    case -ENOSPC:
    case -EBUSY:
      ask(limits);
      return refuse_mappings(memory, 1, limits.mappings != ~std::uint32_t{0} ? limits.mappings : 0);
    case -ENOMEM: {
      rlimit lock = {};
      getrlimit(RLIMIT_MEMLOCK, &lock);
      return refuse(-ENOMEM,
                    "the kernel does not pin %" PRIu64 " KiB more; RLIMIT_MEMLOCK is %" PRIu64
                    " KiB: ulimit -l unlimited, or LimitMEMLOCK=infinity for a service",
                    run.size / 1024, static_cast<std::uint64_t>(lock.rlim_cur) / 1024);
    }
    case -EEXIST:
      return refuse(error, "IOVA %#" PRIx64 " .. %#" PRIx64 " is mapped already in container %d", run.iova,
                    run.iova + (run.size - 1), fd_);
    case -EINVAL:
      ask(limits);
      return refuse(error,
                    "the kernel does not map %" PRIu64 " KiB at IOVA %#" PRIx64
                    ": not of the IOMMU's page sizes (%#" PRIx64 "), or not one of its addresses",
                    run.size / 1024, run.iova, limits.page_sizes);
    default:
      return refuse(error, "%" PRIu64 " KiB at IOVA %#" PRIx64 " in container %d: %s", run.size / 1024, run.iova, fd_,
                    std::strerror(-error));
  }
}

}  // namespace fastmem::devices
