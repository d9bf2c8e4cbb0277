// SPDX-License-Identifier: BSD-3-Clause
// platform/address_space.h -- floor 0. Address space for the heap's own books: reserved whole, made writable piece by
// piece.
#pragma once

#include "platform/types.h"

namespace fastmem {

// A reserved range that reads as zeroes and counts for nothing, not even under strict overcommit. nullptr: not to be
// had.
void* reserve_readable(Bytes size);

// Makes [at, at + size), widened to pages, writable. false: the kernel refuses (commit limit, RLIMIT_AS).
bool make_writable(void* at, Bytes size);

// Writable pages come now, not when they are first touched. Where the kernel cannot (before 5.14), they come then.
void populate(void* at, Bytes size);

// Touching the whole pages [at, at + size) becomes a fault, and is none again; what they hold stays. false: the kernel
// refuses (it splits mappings, and has a bound on how many: vm.max_map_count).
bool deny_access(void* at, Bytes size);
bool allow_access(void* at, Bytes size);

void unreserve(void* base, Bytes size);

inline constexpr Bytes kSmallPage = kKiB * 4;

}  // namespace fastmem
