// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/preallocated_backing.h -- floor 1. Memory that is all taken at the start and never given to the
// system before the end: regions come out of one pool for each node, and go back into it.
#pragma once

#include <memory>

#include "platform/backing.h"
#include "platform/topology.h"

namespace fastmem {

// Takes `size` bytes from `from`, in equal parts on the nodes that have memory, and serves all else from them. kNoMemory:
// so much is not there; nothing is kept then.
Result<std::unique_ptr<Backing>> make_preallocated_backing(std::unique_ptr<Backing> from, Bytes size,
                                                           const Topology& topology);

// What each of the nodes with memory gives for `size` bytes in all, and all of them together.
struct NodeShares {
  Bytes each;
  Bytes all;
};
NodeShares share_among_nodes(Bytes size, Bytes unit, const Topology& topology);

}  // namespace fastmem
