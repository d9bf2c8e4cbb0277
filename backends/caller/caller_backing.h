// SPDX-License-Identifier: BSD-3-Clause
// backends/caller/caller_backing.h -- floor 1. Memory that the heap's user brings, and nothing else: reserve() has none,
// regions come by core's Heap::add_memory() alone and are never this backing's to give back.
#pragma once

#include <memory>

#include "platform/backing.h"
#include "platform/build.h"
#include "platform/topology.h"

namespace fastmem {

// Everything that a process can map: it is not known beforehand where a user's memory will be. A heap's tables over it
// take 196 GiB of address space on 64 bit, and memory only where regions come.
FASTMEM_EXPORT AddressRange whole_address_space();

// `window`: where the memory will lie, in multiples of kRegionUnit. kInvalid: it is none.
FASTMEM_EXPORT Result<std::unique_ptr<Backing>> make_caller_backing(AddressRange window = whole_address_space());

// One node, 0, for a heap of such memory alone: where it lies is the user's affair.
class FASTMEM_EXPORT CallerTopology final : public Topology {
 public:
  explicit CallerTopology(unsigned cpus) : cpus_(cpus) {}
  std::span<const NodeInfo> nodes() const override { return {&node_, 1}; }
  unsigned distance(NodeId, NodeId) const override { return 10; }
  NodeId current_node() const override { return node_.id; }
  unsigned cpus() const override { return cpus_; }

 private:
  NodeInfo node_{};
  unsigned cpus_;
};

}  // namespace fastmem
