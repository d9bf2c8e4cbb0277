// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/report.h -- Q: what does a process tell of its heap after so many random operations?
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

inline constexpr unsigned kLooks = 10;  // in the course of a job, the last one at its end

// Whether a quarter of the free memory was served. Free: the heap's size less the bytes that were asked for and live.
struct FragmentationLook {
  std::uint64_t operations;
  std::size_t free;
  std::size_t largest;  // served; what was asked for, where that was
  bool served;
  char why[240];  // of an allocator that tells
};

// Plain data: it crosses a pipe.
struct FragmentationReport {
  std::uint64_t operations = 0;
  std::uint64_t failed = 0;
  double alloc_ns = 0;  // medians
  double free_ns = 0;
  double mean_ns = 0;  // of an alloc and the frees before it
  std::size_t peak_live = 0;
  std::size_t peak_footprint = 0;
  unsigned looks = 0;
  FragmentationLook look[kLooks] = {};
  char failure[200] = {};  // "" or why there is no report
};

}  // namespace bench
