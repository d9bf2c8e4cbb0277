// SPDX-License-Identifier: BSD-3-Clause
// platform/node_files.h -- floor 0. The machine's nodes as /sys tells them, for people: what a heap works with is
// platform/topology.h.
#pragma once

#include <string>
#include <vector>

#include "platform/types.h"

namespace fastmem {

struct NodeFiles {
  NodeId id;
  std::string cpus;  // as the kernel writes them: "0-3,8-11"; empty: none
  Bytes memory;      // 0: none
  Bytes free;
  Bytes reclaimable;                // caches of files: free when they must be
  std::vector<unsigned> distances;  // to every node, in their order; empty: not told
};

struct L3Cache {
  std::string cpus;  // that share it
  Bytes size;
};

struct MachineFiles {
  std::vector<NodeFiles> nodes;  // ascending; empty: a kernel without NUMA, or no /sys
  std::vector<L3Cache> l3;       // in the order of their first CPU
  std::string online_cpus;       // empty: not told
  std::string allowed_cpus;      // of this process
  std::string allowed_nodes;
};

// `root` is put before every path, for tests.
MachineFiles read_machine_files(const char* root = "");

}  // namespace fastmem
