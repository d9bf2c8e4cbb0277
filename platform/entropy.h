// SPDX-License-Identifier: BSD-3-Clause
// platform/entropy.h -- floor 0. Bytes that nobody else can guess.
#pragma once

#include <cstddef>

namespace fastmem {

// From the kernel's generator. Where it refuses (a filter of system calls), from what the kernel gave the process at its
// start, and the clock: guessable by who can read the process's memory.
void fill_random(void* out, std::size_t n);

}  // namespace fastmem
