// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "backends/kinds/kinds_backing.h"

namespace fastmem {
namespace {

// More than any distance between two nodes: every node of a kind is nearer than any of the next.
constexpr unsigned kStep = 1000;

}  // namespace

// Its nodes come behind those of the kinds before it, and so ascend.
Error KindsTopology::add(const KindOfMemory& what) {
  const unsigned before = count_;
  for (const NodeInfo& machine : machine_->nodes()) {
    if (what.only_node && machine.id != *what.only_node) continue;
    if (machine.id.rep >= kCallersNode) {
      return make_error(ErrorCode::kInvalid, "node %u: kinds of memory are for nodes below %u",
                        unsigned{machine.id.rep}, kCallersNode);
    }
    if (count_ == kMaxNodes) {
      return make_error(ErrorCode::kInvalid,
                        "the kinds up to %s have more than %u nodes: give some a node of their own", what.tag,
                        kMaxNodes);
    }
    NodeInfo& info = nodes_[count_++];
    info = machine;
    info.id = place_of(kinds_, machine.id.rep);
    info.only_when_named = machine.only_when_named || what.only_when_named;
    if (kinds_ != 0) info.cpus = 0;
  }
  if (count_ != before) {
    std::copy(std::begin(what.tag), std::end(what.tag), tags_[kinds_++].begin());
    return {};
  }
  return make_error(ErrorCode::kNoNode, "kind %s: node %u is not there", what.tag, unsigned{what.only_node->rep});
}

unsigned KindsTopology::distance(NodeId from, NodeId to) const {
  const unsigned a = kind_of(from);
  const unsigned b = kind_of(to);
  return std::min(machine_->distance(machine_node_of(from), machine_node_of(to)), kStep - 1) +
         (a > b ? a - b : b - a) * kStep;
}

// Of the default kind: the caller's node, or the nearest that it has memory on.
NodeId KindsTopology::current_node() const {
  const NodeId here = machine_->current_node();
  NodeId nearest = nodes_[0].id;
  for (unsigned n = 0; n < count_ && kind_of(nodes_[n].id) == 0; ++n) {
    if (nodes_[n].id == here) return here;
    if (machine_->distance(here, nodes_[n].id) < machine_->distance(here, nearest)) nearest = nodes_[n].id;
  }
  return nearest;
}

}  // namespace fastmem
