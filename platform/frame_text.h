// SPDX-License-Identifier: BSD-3-Clause
// platform/frame_text.h -- floor 0. One frame of a stack trace for people and for `fastmem symbolize`:
//
//   #3 0x55d0c8a01a2f in /usr/bin/program+0x1a2f
//   #4 0x7f0000000123 in ?
//
// The address is the call's: one below the return address, so that it lies in the line that called. The number after the
// module is an address in its file, as addr2line takes it. No function is named: dladdr waits for the loader's lock, which
// a thread that fails may hold.
#pragma once

#include <cstddef>

namespace fastmem {

// Writes the text, cut at `capacity` and always terminated, and says how long it is. Allocates nothing, takes no lock, may
// run in a signal handler. A module that was unloaded since is not known any more.
std::size_t print_frame(char* out, std::size_t capacity, unsigned number, const void* return_address);

}  // namespace fastmem
