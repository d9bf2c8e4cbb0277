// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/options.h -- Q: what was asked of `fastmem replay`?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/replay/allocator.h"

namespace fastmem::tools {

struct ReplayOptions {
  std::vector<std::string> traces;
  std::vector<const AllocatorInfo*> allocators;  // in the order of the table
  std::uint64_t runs = 3;
  std::string json;  // files to write; "" for none
  std::string svg;
  std::string png;
};

// False: error says what is wrong; "" when only help was asked for.
bool parse_replay_options(int argc, char** argv, ReplayOptions& options, std::string& error);

extern const char kReplayUsage[];

}  // namespace fastmem::tools
