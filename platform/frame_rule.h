// SPDX-License-Identifier: BSD-3-Clause
// platform/frame_rule.h -- floor 0. How a function's caller is found from a place inside it: what the unwinder's tables
// say there, as one small rule. For x86-64 on glibc 2.35 and later; elsewhere no rule is known.
//
// Source: the call frame information of DWARF 5, 6.4, as .eh_frame and .eh_frame_hdr of the Linux Standard Base hold it.
#pragma once

#include <cstdint>

namespace fastmem {

#if defined(__x86_64__)
inline constexpr bool kHasFrameRules = true;
#else
inline constexpr bool kHasFrameRules = false;
#endif

// The CFA of a frame is its caller's stack pointer. Distances are in words of 8 bytes.
enum class FrameKind : std::uint8_t {
  kUnread,     // the tables were not asked yet
  kUnknown,    // they say nothing, or more than a rule can hold
  kFromSp,     // CFA = sp + cfa; the return address lies below it
  kFromFp,     // CFA = frame pointer + cfa; likewise
  kRealigned,  // CFA = *(frame pointer - cfa), and the caller's frame pointer is *(frame pointer)
  kSignal,     // the kernel put all registers on the stack
  kOutermost,  // nobody called
};

struct FrameRule {
  FrameKind kind = FrameKind::kUnread;
  std::uint16_t cfa = 0;
  std::uint16_t saved_fp = 0;  // the caller's frame pointer is *(CFA - saved_fp); 0: the register still has it
};

inline constexpr unsigned kMostSavedFp = (1u << 11) - 1;

// Reads the tables of the module that `address` lies in. Takes no lock, allocates nothing, may run in a signal handler.
FrameRule read_frame_rule(std::uintptr_t address);

// A module as the loader has it; end 0: none. No lock is taken.
struct LoadedModule {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  std::uintptr_t bias = 0;     // what was added to the addresses in its file
  const char* name = nullptr;  // as the loader knows it; "": the program itself
  const void* eh_frame_hdr = nullptr;
};
LoadedModule module_of(std::uintptr_t address);

}  // namespace fastmem
