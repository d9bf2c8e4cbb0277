// SPDX-License-Identifier: BSD-3-Clause
// tests/core/fake_topology.h: any nodes at any distances; where a thread runs is what it last said.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "platform/topology.h"

namespace fastmem::core {

class FakeTopology : public Topology {
 public:
  using Distance = std::function<unsigned(NodeId, NodeId)>;

  explicit FakeTopology(std::vector<NodeInfo> nodes, Distance distance = nullptr)
      : nodes_(std::move(nodes)), distance_(std::move(distance)) {
    if (!nodes_.empty()) t_node = nodes_.front().id;
  }
  explicit FakeTopology(const std::vector<unsigned>& ids, Distance distance = nullptr)
      : FakeTopology(infos(ids), std::move(distance)) {}

  static void run_on(NodeId node) { t_node = node; }

  std::span<const NodeInfo> nodes() const override { return nodes_; }
  unsigned distance(NodeId from, NodeId to) const override {
    if (distance_) return distance_(from, to);
    return from == to ? 10 : 20;
  }
  NodeId current_node() const override { return t_node; }
  unsigned cpus() const override { return 2; }

 private:
  static std::vector<NodeInfo> infos(const std::vector<unsigned>& ids) {
    std::vector<NodeInfo> all;
    for (const unsigned id : ids) all.push_back({NodeId{static_cast<std::uint16_t>(id)}, 1, kGiB});
    return all;
  }

  static inline thread_local NodeId t_node{0};
  std::vector<NodeInfo> nodes_;
  Distance distance_;
};

}  // namespace fastmem::core
