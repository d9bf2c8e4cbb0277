// SPDX-License-Identifier: BSD-3-Clause
// backends/dpdk/dpdk_topology.h -- floor 1. Nodes as EAL numbers them: its sockets, and those that it gives to heaps of
// external memory.
#pragma once

#include <memory>

#include "platform/build.h"
#include "platform/topology.h"

namespace fastmem {

// After rte_eal_init(). External memory is seen when it was added before.
FASTMEM_EXPORT std::unique_ptr<Topology> make_dpdk_topology();

}  // namespace fastmem
