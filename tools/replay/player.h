// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/player.h -- Q: what does a plan cost on one allocator? Plays it once, in this process, with real
// threads. New memory is written as a program would write it: objects up to 512 bytes whole, larger ones a word per
// cache line up to 64 KiB, and a word per page beyond. The first word is checked when the object goes: an allocator
// that hands out memory twice does not pass. Cycles are those of the time stamp counter around each call, less the
// counter's own cost. Time that a thread spent off the CPU is taken out: it says more about the other threads than
// about the call.
#pragma once

#include <cstdint>
#include <string>

#include "tools/replay/allocator.h"
#include "tools/replay/plan.h"

namespace fastmem::tools {

struct PlayResult {
  std::string error;  // not empty: nothing else counts
  double seconds = 0;
  double start_seconds = 0;  // of them: until the allocator had its first memory, where that is not over before main()
  double cpu_seconds = 0;
  std::uint64_t ops = 0;  // by the allocator; large objects, which are the system's, are not counted
  std::uint64_t allocs = 0;
  double alloc_cycles = 0;  // all together
  double free_cycles = 0;
  std::uint64_t large_objects = 0;
  std::uint64_t large_bytes = 0;
  std::uint64_t peak_rss = 0;     // above what the process held before
  std::uint64_t rss_at_peak = 0;  // likewise, when most bytes were live
};

// Objects, and alignments, above `limit` go to the system allocator.
PlayResult play(const Plan& plan, const Allocator& allocator, std::uint64_t limit);

}  // namespace fastmem::tools
