// SPDX-License-Identifier: BSD-3-Clause
#include "backends/dpdk/dpdk_topology.h"

#include <rte_lcore.h>
#include <rte_memory.h>

#include <algorithm>
#include <new>

#include "platform/machine_topology.h"

namespace fastmem {
namespace {

constexpr unsigned kLocal = 10;
constexpr unsigned kElsewhere = 20;

class DpdkTopology final : public Topology {
 public:
  DpdkTopology() {
    for (unsigned i = 0; i < rte_socket_count(); ++i) add(rte_socket_id_by_idx(i), false);
    rte_memseg_list_walk(
        [](const rte_memseg_list* list, void* self) {
          if (list->heap != 0 && list->external != 0) static_cast<DpdkTopology*>(self)->add(list->socket_id, true);
          return 0;
        },
        this);
    std::sort(nodes_, nodes_ + count_, [](const NodeInfo& a, const NodeInfo& b) { return a.id < b.id; });
  }

  std::span<const NodeInfo> nodes() const override { return {nodes_, count_}; }

  unsigned distance(NodeId from, NodeId to) const override {
    if (from == to) return kLocal;
    const auto known = [](NodeId id) { return find(machine_topology().nodes(), id) != nullptr; };
    return known(from) && known(to) ? machine_topology().distance(from, to) : kElsewhere;
  }

  NodeId current_node() const override {
    const unsigned socket = rte_socket_id();
    // Threads that EAL has not placed run wherever the kernel puts them.
    const NodeId node = static_cast<int>(socket) == SOCKET_ID_ANY ? machine_topology().current_node()
                                                                  : to_node(static_cast<int>(socket));
    return find(nodes(), node) != nullptr ? node : nodes_[0].id;
  }

  unsigned cpus() const override { return machine_topology().cpus(); }

 private:
  static NodeId to_node(int socket) { return NodeId{static_cast<std::uint16_t>(socket)}; }

  static const NodeInfo* find(std::span<const NodeInfo> nodes, NodeId id) {
    const auto found = std::find_if(nodes.begin(), nodes.end(), [id](const NodeInfo& node) { return node.id == id; });
    return found == nodes.end() ? nullptr : &*found;
  }

  void add(int socket, bool external) {
    if (socket < 0 || count_ == kMaxNodes || find(nodes(), to_node(socket)) != nullptr) return;
    const NodeInfo* const of_machine = find(machine_topology().nodes(), to_node(socket));
    NodeInfo& node = nodes_[count_++];
    if (of_machine != nullptr && !external) node = *of_machine;
    node.id = to_node(socket);
    node.only_when_named = external;
  }

  NodeInfo nodes_[kMaxNodes];
  unsigned count_ = 0;
};

}  // namespace

std::unique_ptr<Topology> make_dpdk_topology() { return std::unique_ptr<Topology>(new (std::nothrow) DpdkTopology()); }

}  // namespace fastmem
