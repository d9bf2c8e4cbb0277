// SPDX-License-Identifier: BSD-3-Clause
// platform/node_binding.h -- floor 0. Does memory have a place on this machine, and how is it held there?
#pragma once

#include "platform/result.h"
#include "platform/types.h"

namespace fastmem {

// Whether the kernel has this node and another one with memory besides: otherwise there is nothing to bind to. Nodes of
// a synthetic topology need not be the kernel's.
bool node_needs_binding(NodeId node);

// Strictly: pages of the range come from `node` or not at all. kPermission: the kernel forbids it (seccomp in a
// container); kNoMemory: the node is outside of this process's cpuset.
Error bind_to_node(void* base, Bytes size, NodeId node);

// The same for what the calling thread makes the kernel allocate while this is there, where no binding of a range
// decides. Whatever the thread had before comes back after. Where node_needs_binding() says no, it does nothing.
class ThreadOnNode {
 public:
  explicit ThreadOnNode(NodeId node);
  ThreadOnNode(const ThreadOnNode&) = delete;
  ThreadOnNode& operator=(const ThreadOnNode&) = delete;
  ~ThreadOnNode();

 private:
  static constexpr unsigned kWords = 16;
  bool changed_ = false;
  int mode_ = 0;
  unsigned long mask_[kWords] = {};
};

// The node of the page at `address`, which must be present; kAnyNode when the kernel does not tell.
NodeId node_of_page(const void* address);

}  // namespace fastmem
