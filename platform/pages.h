// SPDX-License-Identifier: BSD-3-Clause
// platform/pages.h -- floor 0. What page kinds does this machine have right now, for this process? Allocates nothing.
// A snapshot: others take pages at any time, so it chooses and explains, and proves nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "platform/cgroup_hugetlb.h"
#include "platform/topology.h"
#include "platform/types.h"

namespace fastmem {

struct HugePool {
  std::size_t total = 0;  // pages in the pool
  std::size_t free = 0;
  std::size_t reserved = 0;  // of the free ones, promised to mappings already (the kernel tells only for all nodes)
  std::size_t surplus = 0;   // of the total, taken from ordinary memory on demand
};

struct NodePool {
  NodeId node;
  HugePool pool;
};

// The hugetlb pages of one size.
struct HugePages {
  Bytes page_size;
  bool supported = false;   // by processor and kernel
  bool unreadable = false;  // perhaps they are, but the kernel's files cannot be read: no file left to open, say
  HugePool all;
  std::size_t overcommit = 0;  // how far the pool may grow on demand, in pages
  unsigned nodes = 0;          // entries in of_node
  std::array<NodePool, kMaxNodes> of_node{};
  HugeLimit limit;  // the cgroup that binds this process

  // Pages this process could take now; kAnyNode: wherever they are.
  std::size_t usable(NodeId node = kAnyNode) const;
  const NodePool* find(NodeId node) const;
};

enum class TransparentHuge : std::uint8_t { kAbsent, kNever, kMadvise, kAlways };
enum class Overcommit : std::uint8_t { kHeuristic, kAlways, kStrict };

struct PageInventory {
  HugePages huge_1g;
  HugePages huge_2m;
  TransparentHuge transparent = TransparentHuge::kAbsent;
  Overcommit overcommit = Overcommit::kHeuristic;
  Bytes memory;                      // of the machine
  Bytes locked_limit = kUnlimited;   // RLIMIT_MEMLOCK; kUnlimited for those who may lock anyway
  Bytes address_limit = kUnlimited;  // RLIMIT_AS
  Bytes address_used;                // what counts against it
  Bytes data_limit = kUnlimited;     // RLIMIT_DATA: everything private and writable counts
};

// `root` is put before every path, for tests.
HugePages read_huge_pages(Bytes page_size, const char* root = "");
PageInventory read_pages(const char* root = "");

}  // namespace fastmem
