// SPDX-License-Identifier: BSD-3-Clause
// platform/cpu.h -- floor 0. What the processor needs to be told.
#pragma once

#include <cstddef>

namespace fastmem {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kLinePair = 128;  // the unit that adjacent-line prefetchers share

inline void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace fastmem
