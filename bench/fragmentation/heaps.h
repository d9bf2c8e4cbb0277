// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/heaps.h -- Q: who is tried in this program's own process?
#pragma once

#include "bench/fragmentation/report.h"
#include "bench/fragmentation/workload.h"

namespace bench {

inline constexpr const char* kGlibcHeap = "glibc, no mmap";

// A heap of one region, reserved up front, which is also its limit.
FragmentationReport try_fastmem(const FragmentationJob& job);

// The malloc of this process, with so much address space beyond what the process has (RLIMIT_AS). `no_mmap`: glibc is told to
// keep to its heap, also for large objects.
FragmentationReport try_malloc(const FragmentationJob& job, bool no_mmap);

}  // namespace bench
