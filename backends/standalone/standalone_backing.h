// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/standalone_backing.h -- floor 1. Memory straight from the kernel: hugetlb pages, transparent huge
// pages or small pages, in address space reserved up front, bound to its node; IOVA through /proc/self/pagemap.
#pragma once

#include <cstdint>
#include <memory>

#include "platform/backing.h"
#include "platform/topology.h"

namespace fastmem {

enum class PageKind : std::uint8_t { kAuto, kHuge1G, kHuge2M, kTransparent, kSmall };
enum class IovaMode : std::uint8_t { kAuto, kPhysical, kVirtual, kNone };

struct StandaloneOptions {
  PageKind pages = PageKind::kAuto;
  IovaMode iova = IovaMode::kAuto;
  Bytes address_space;  // 0: twice the machine's memory, at least 64 GiB, less where the address space is limited
};

// Errors: kUnsupported (the page kind or IOVA mode is not there: the text names what is missing and the command that
// would fix it), kNoMemory (no address space), kInvalid.
Result<std::unique_ptr<Backing>> make_standalone_backing(const StandaloneOptions& options, const Topology& topology);

}  // namespace fastmem
