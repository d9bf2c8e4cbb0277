// SPDX-License-Identifier: BSD-3-Clause
#include "platform/node_binding.h"

#include <numa.h>
#include <numaif.h>

#include <cerrno>
#include <cstring>

namespace fastmem {
namespace {

constexpr unsigned kMostNodes = 1024;
constexpr unsigned kBitsPerWord = 8 * sizeof(unsigned long);

bool has_memory(int node) { return numa_node_size64(node, nullptr) > 0; }

struct KernelNodes {
  bool with_memory[kMostNodes] = {};
  unsigned count = 0;
};

KernelNodes find_kernel_nodes() {
  KernelNodes nodes;
  if (numa_available() < 0) return nodes;
  for (int node = 0; node <= numa_max_node() && node < static_cast<int>(kMostNodes); ++node) {
    if (!has_memory(node)) continue;
    nodes.with_memory[node] = true;
    ++nodes.count;
  }
  return nodes;
}

}  // namespace

bool node_needs_binding(NodeId node) {
  static const KernelNodes nodes = find_kernel_nodes();
  return nodes.count > 1 && node.rep < kMostNodes && nodes.with_memory[node.rep];
}

Error bind_to_node(void* base, Bytes size, NodeId node) {
  unsigned long mask[kMostNodes / kBitsPerWord] = {};
  if (node.rep >= kMostNodes) return make_error(ErrorCode::kNoNode, "node %u: no such node", unsigned{node.rep});
  mask[node.rep / kBitsPerWord] = 1UL << (node.rep % kBitsPerWord);
  if (mbind(base, size.rep, MPOL_BIND, mask, kMostNodes + 1, 0) == 0) return Error{};
  if (errno == EPERM || errno == ENOSYS) {
    return make_error(ErrorCode::kPermission,
                      "memory is not bound to its node: the kernel refuses mbind (%s); in a container allow it with "
                      "--cap-add SYS_NICE",
                      std::strerror(errno));
  }
  return make_error(ErrorCode::kNoMemory,
                    "node %u: this process may not use its memory (%s); see Mems_allowed in "
                    "/proc/self/status",
                    unsigned{node.rep}, std::strerror(errno));
}

ThreadOnNode::ThreadOnNode(NodeId node) {
  static_assert(kWords * kBitsPerWord == kMostNodes);
  if (!node_needs_binding(node) || get_mempolicy(&mode_, mask_, kMostNodes + 1, nullptr, 0) != 0) return;
  unsigned long mask[kWords] = {};
  mask[node.rep / kBitsPerWord] = 1UL << (node.rep % kBitsPerWord);
  changed_ = set_mempolicy(MPOL_BIND, mask, kMostNodes + 1) == 0;
}

ThreadOnNode::~ThreadOnNode() {
  if (changed_) set_mempolicy(mode_, mode_ == MPOL_DEFAULT ? nullptr : mask_, kMostNodes + 1);
}

NodeId node_of_page(const void* address) {
  int node = -1;
  if (get_mempolicy(&node, nullptr, 0, const_cast<void*>(address), MPOL_F_NODE | MPOL_F_ADDR) != 0 || node < 0) {
    return kAnyNode;
  }
  return NodeId{static_cast<std::uint16_t>(node)};
}

}  // namespace fastmem
