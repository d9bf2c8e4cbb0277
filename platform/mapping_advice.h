// SPDX-License-Identifier: BSD-3-Clause
// platform/mapping_advice.h -- floor 0. Why did the kernel refuse to map memory, or to make it writable, and which command
// changes that?
#pragma once

#include <cstdint>

#include "platform/page_advice.h"
#include "platform/result.h"

namespace fastmem {

// kNoMemory: the kernel refused `size` bytes with this errno.
Error explain_no_mapping(Bytes size, int error);

// Four times as many mappings as now.
CommandText map_count_command(std::uint64_t now);
// No more limit for the shell that runs it, and its children. `resource` as in prlimit(1): "as", "data", "memlock".
CommandText rlimit_command(const char* resource);
CommandText overcommit_command();

}  // namespace fastmem
