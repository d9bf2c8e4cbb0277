// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/child.h -- Q: how is a trace played on another allocator? By this program, started anew with that
// allocator preloaded; it answers through a pipe.
#pragma once

#include <cstdint>
#include <string>

#include "tools/replay/allocator.h"
#include "tools/replay/player.h"

namespace fastmem::tools {

// One run in a process of its own. Objects above `limit` are the system's, on every side.
PlayResult play_in_child(const AllocatorInfo& allocator, std::uint64_t limit, const std::string& trace);

// The largest object that fastmem serves; 0: it cannot start. Asked in a child, for the answer takes a heap.
std::uint64_t limit_in_child();

// Whether the allocator's library can be preloaded here.
bool installed(const AllocatorInfo& allocator);

// What that process does, with the arguments after kChildCommand.
inline constexpr char kChildCommand[] = "replay-child";
int replay_child(int argc, char** argv);

}  // namespace fastmem::tools
