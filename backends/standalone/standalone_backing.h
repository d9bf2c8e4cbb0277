// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/standalone_backing.h -- floor 1. Memory straight from the kernel: hugetlb pages, transparent huge
// pages or small pages, in address space reserved up front, bound to its node; IOVA through /proc/self/pagemap.
#pragma once

#include <cstdint>
#include <memory>

#include "platform/backing.h"
#include "platform/build.h"
#include "platform/topology.h"

namespace fastmem {

enum class PageKind : std::uint8_t { kAuto, kHuge1G, kHuge2M, kTransparent, kSmall };
enum class IovaMode : std::uint8_t { kAuto, kPhysical, kVirtual, kNone };

// How devices see the memory. kAuto is decided when an address is first asked for: physical where frame numbers are
// told (root, CAP_SYS_ADMIN), else virtual where an IOMMU is there, else none. Physical pages are locked and not
// inherited by fork, for a copy on write would move them: with kPhysical from reserve() on, as Region says; with kAuto
// from iova() on, though Region said otherwise when it was made.
struct StandaloneOptions {
  PageKind pages = PageKind::kAuto;
  IovaMode iova = IovaMode::kAuto;
  Bytes address_space = {};  // 0: twice the machine's memory, at least 64 GiB, less where the address space is limited
};

// Errors: kUnsupported (the page kind or IOVA mode is not there: the text names what is missing and the command that
// would fix it), kNoMemory (no address space), kInvalid.
FASTMEM_EXPORT Result<std::unique_ptr<Backing>> make_standalone_backing(const StandaloneOptions& options,
                                                                        const Topology& topology);

}  // namespace fastmem
