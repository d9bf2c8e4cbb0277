// SPDX-License-Identifier: BSD-3-Clause
// platform/memory_room.h -- floor 0. How much ordinary memory is there to be had, and how many mappings?
#pragma once

#include <cstdint>
#include <optional>

#include "platform/types.h"

namespace fastmem {

// What the kernel does not tell is not there.
struct MemoryRoom {
  std::optional<Bytes> available;         // without swapping, as the kernel estimates it
  std::optional<Bytes> commit_limit;      // counts only under strict overcommit
  std::optional<Bytes> committed;         // promised to processes already
  std::optional<std::uint64_t> max_maps;  // mappings that a process may have
  std::optional<std::uint64_t> maps;      // that this one has
};

// `root` is put before every path, for tests.
MemoryRoom read_memory_room(const char* root = "");

}  // namespace fastmem
