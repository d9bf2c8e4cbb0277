// SPDX-License-Identifier: BSD-3-Clause
// api/devices/vfio_container.h -- floor 3 (api). What a VFIO container of type 1 can map, and how its refusals read.
// Callers:   the listener of vfio.cc, one call at a time for a heap.
#pragma once

#include <fastmem.h>

#include <cstdint>

#include "api/devices/vfio_runs.h"

namespace fastmem::devices {

// ioctl(2), or what a test puts in its place. 0 or more, or a negative errno.
class VfioKernel {
 public:
  VfioKernel() = default;
  VfioKernel(const VfioKernel&) = delete;
  VfioKernel& operator=(const VfioKernel&) = delete;
  virtual ~VfioKernel() = default;
  virtual int control(int fd, unsigned long request, void* argument) = 0;
};
VfioKernel& real_vfio_kernel();

class VfioContainer {
 public:
  VfioContainer(VfioKernel& kernel, int fd, bool read_only) : kernel_(kernel), fd_(fd), read_only_(read_only) {}

  // 0: there is one, with its IOMMU set. Errors are told by fastmem_refuse(), here and below.
  int check();
  // All of the region, or none of it.
  int map(const fastmem_memory_t& memory);
  void unmap(const fastmem_memory_t& memory);

 private:
  static constexpr unsigned kMostRanges = 64;

  struct Limits {
    std::uint64_t page_sizes = 0;
    std::uint32_t mappings = ~std::uint32_t{0};  // that are left, where the kernel says it
    unsigned ranges = 0;                         // 0: the kernel does not say
    Run range[kMostRanges] = {};                 // iova and size, ascending

    bool allow(const Run& run) const;
  };

  int ask(Limits& limits);
  int check_limits(const fastmem_memory_t& memory);
  int map_run(const Run& run);
  void unmap_run(const Run& run);
  static int refuse_mappings(const fastmem_memory_t& memory, std::uint64_t wanted, std::uint64_t left);
  int refuse_run(const Run& run, const fastmem_memory_t& memory, int error);

  VfioKernel& kernel_;
  int fd_;
  bool read_only_;
};

}  // namespace fastmem::devices
