// SPDX-License-Identifier: BSD-3-Clause
// platform/mapping_name.h -- floor 0. What kind of memory an address is in, for people: read from /proc/self/maps.
// Threads:   any, in a signal handler too. Nothing is allocated, and no lock is taken.
#pragma once

#include <cstddef>

namespace fastmem {

inline constexpr std::size_t kLongestMappingText = 200;

// "it is on this thread's stack", "it lies in libc.so.6", "nothing is mapped there", ...
void describe_mapping(const void* p, char* out, std::size_t size);

}  // namespace fastmem
