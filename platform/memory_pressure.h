// SPDX-License-Identifier: BSD-3-Clause
// platform/memory_pressure.h -- floor 0. The kernel's word that threads wait for memory (pressure stall information, PSI):
// of this process's own cgroup where version 2 has one that lets us, else of the whole machine.
#pragma once

#include <cstdint>

#include "platform/result.h"
#include "platform/text_file.h"

namespace fastmem {

enum class Stall : std::uint8_t {
  kSome,  // at least one thread waited
  kFull,  // every thread that had something to do waited
};

// An open file that is urgent (POLLPRI) whenever within `window_us` threads waited for `stall_us` altogether, at most once
// a window. Without the right to more, the kernel takes windows of whole multiples of 2 s only.
//   kUnsupported  no PSI in this kernel, or it is off
//   kPermission   there is, but not for us
//   kInvalid      the kernel does not take these numbers
// `root`: where /proc and /sys are looked for, for tests.
Result<int> open_pressure_trigger(Stall stall, std::uint32_t stall_us, std::uint32_t window_us, const char* root = "");

// The memory.pressure of the process's own cgroup; "" when it is in none of version 2, or in the topmost.
FilePath own_pressure_file(const char* root = "");

}  // namespace fastmem
