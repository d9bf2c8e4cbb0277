// SPDX-License-Identifier: BSD-3-Clause
// platform/machine_topology.h -- floor 0. Topologies made by hwloc: this machine's, or one described in a line of text.
#pragma once

#include <memory>

#include "platform/build.h"
#include "platform/result.h"
#include "platform/topology.h"

namespace fastmem {

// This machine. Discovered once, then constant; lives as long as the process. On a machine without NUMA: one node, 0.
FASTMEM_EXPORT const Topology& machine_topology();

// From hwloc's synthetic description, e.g. "numa:4 core:2 pu:1". For tests: current_node() is what the calling thread
// last said with set_current_node(), the first node before that. kInvalid: hwloc does not understand the description.
class SyntheticTopology : public Topology {
 public:
  virtual void set_current_node(NodeId node) = 0;  // of the calling thread, for this topology
};
FASTMEM_EXPORT Result<std::unique_ptr<SyntheticTopology>> make_synthetic_topology(const char* description);

}  // namespace fastmem
