// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/replay.h -- Q: `fastmem replay TRACE...`: how do allocators compare on what programs really did?
#pragma once

namespace fastmem::tools {

int replay(int argc, char** argv);

}  // namespace fastmem::tools
