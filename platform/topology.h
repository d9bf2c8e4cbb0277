// SPDX-License-Identifier: BSD-3-Clause
// platform/topology.h -- floor 0. The machine's shape as a heap sees it: nodes, distances, and where the caller runs.
#pragma once

#include <span>

#include "platform/types.h"

namespace fastmem {

struct NodeInfo {
  NodeId id;
  unsigned cpus = 0;             // 0: a node with memory only
  Bytes memory;                  // 0: a node with CPUs only
  bool only_when_named = false;  // never stands in for another node: memory of a device, say
};

class Topology {
 public:
  Topology() = default;
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;
  virtual ~Topology() = default;

  // All nodes, ascending by id; ids may have holes. At least one, at most kMaxNodes. Constant for the object's life.
  virtual std::span<const NodeInfo> nodes() const = 0;

  // As in ACPI's SLIT: 10 is local, larger is farther. Both nodes must be in nodes().
  virtual unsigned distance(NodeId from, NodeId to) const = 0;

  // The node of the CPU that the caller runs on; any thread, a few nanoseconds, no locks.
  virtual NodeId current_node() const = 0;

  // The name of a kind of memory (platform/types.h). nullptr: there is no such kind, or the nodes are just nodes.
  virtual const char* kind_tag(unsigned /*kind*/) const { return nullptr; }

  // CPUs this process may run on.
  virtual unsigned cpus() const = 0;
};

inline constexpr unsigned kMaxNodes = 64;

}  // namespace fastmem
