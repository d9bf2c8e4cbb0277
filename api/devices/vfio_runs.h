// SPDX-License-Identifier: BSD-3-Clause
// api/devices/vfio_runs.h -- floor 3 (api). The ranges that a region is mapped in: the same for its coming and its going.
#pragma once

#include <fastmem.h>

#include <cstddef>
#include <cstdint>

namespace fastmem::devices {

struct Run {
  std::uint64_t iova;
  std::uint64_t address;
  std::uint64_t size;
};

class RunsOf {
 public:
  // With IOVAs: pages whose IOVAs follow each other make one run. Without: the region at its own address.
  explicit RunsOf(const fastmem_memory_t& memory) : memory_(memory) {}

  // false: there are no more.
  bool next(Run& run) {
    const auto base = reinterpret_cast<std::uintptr_t>(memory_.base);
    const std::size_t pages = memory_.iovas != nullptr ? memory_.pages : 1;
    if (page_ == pages) return false;
    if (memory_.iovas == nullptr) {
      run = {base, base, memory_.size};
      page_ = pages;
      return true;
    }
    const std::size_t first = page_++;
    while (page_ < pages && memory_.iovas[page_] == memory_.iovas[page_ - 1] + memory_.page_size) ++page_;
    run = {memory_.iovas[first], base + first * memory_.page_size, (page_ - first) * memory_.page_size};
    return true;
  }

 private:
  const fastmem_memory_t& memory_;
  std::size_t page_ = 0;
};

}  // namespace fastmem::devices
