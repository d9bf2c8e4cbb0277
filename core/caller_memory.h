// SPDX-License-Identifier: BSD-3-Clause
// core/caller_memory.h -- floor 2 (core). Memory that a heap's user brings: a buffer, a mapped file, device memory.
#pragma once

#include <cstdint>
#include <span>

#include "platform/types.h"

namespace fastmem::core {

struct CallerMemory {
  void* base = nullptr;
  // Whole granules of 64 KiB are used: what lies before the first and behind the last one is not.
  Bytes size;
  Bytes page_size = kKiB * 4;  // the unit of `iovas`: a power of two, at least 4 KiB
  NodeId node = kAnyNode;      // the place it is to serve; kAnyNode: the first that takes such memory
  // One for each page; then base and size are multiples of the page size. Copied. Empty: not known.
  std::span<const Iova> iovas;
  bool iova_is_address = false;    // without iovas: a device behind an IOMMU sees the virtual addresses
  bool zeroed = false;             // every byte reads 0
  bool inherited_by_fork = false;  // private memory that no device uses: a child of a fork has a copy of its own
};

}  // namespace fastmem::core
