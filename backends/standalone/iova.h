// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/iova.h -- floor 1. What addresses do devices see, and can this process tell?
// The kernel writes frame number 0 for those without the right to know: that is an error here, never an address.
#pragma once

#include <span>

#include "platform/result.h"
#include "platform/types.h"

namespace fastmem {

inline constexpr const char* kPagemap = "/proc/self/pagemap";

// ok, or kPermission: this process is not told frame numbers; the text says what would change that.
Error check_frames_readable(const char* pagemap = kPagemap);

// Whether devices sit behind an IOMMU that user space may program.
bool iommu_is_there(const char* root = "");

// One physical address per page of `page_size`; the pages must be present and stay where they are. kPermission: frame
// numbers are not told; kNoMemory: a page is not present.
Error read_physical(const void* base, Bytes page_size, std::span<Iova> pages, const char* pagemap = kPagemap);

// ok when [base, base + size) is one physical run. kNoMemory when it is not; else as read_physical().
Error check_one_physical_run(const void* base, Bytes size, Bytes page_size, const char* pagemap = kPagemap);

// Keeps small pages where they are, as far as a process can: present, locked, not shared with children, not merged into
// huge pages behind our back. kPermission: RLIMIT_MEMLOCK; kNoMemory.
Error hold_small_pages(void* base, Bytes size);

// Not in children: a copy on write after fork() would move the parent's page.
Error keep_from_children(void* base, Bytes size);

}  // namespace fastmem
