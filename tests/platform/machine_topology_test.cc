// SPDX-License-Identifier: BSD-3-Clause
#include "platform/machine_topology.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace fastmem {
namespace {

void check_shape(const Topology& topology) {
  const auto nodes = topology.nodes();
  REQUIRE(!nodes.empty());
  REQUIRE(nodes.size() <= kMaxNodes);
  CHECK(std::is_sorted(nodes.begin(), nodes.end(), [](const NodeInfo& a, const NodeInfo& b) { return a.id < b.id; }));
  CHECK(topology.cpus() > 0);
  for (const NodeInfo& from : nodes) {
    CHECK(topology.distance(from.id, from.id) == 10);
    for (const NodeInfo& to : nodes) CHECK(topology.distance(from.id, to.id) >= 10);
  }
  const NodeId current = topology.current_node();
  CHECK(std::any_of(nodes.begin(), nodes.end(), [current](const NodeInfo& node) { return node.id == current; }));
}

TEST_CASE("this machine") {
  const Topology& machine = machine_topology();
  check_shape(machine);
  CHECK(&machine == &machine_topology());
  const auto nodes = machine.nodes();
  CHECK(std::any_of(nodes.begin(), nodes.end(), [](const NodeInfo& node) { return node.memory.rep > 0; }));
  CHECK(std::any_of(nodes.begin(), nodes.end(), [](const NodeInfo& node) { return node.cpus > 0; }));
}

TEST_CASE("the current node is the kernel's") {
  unsigned cpu = 0;
  unsigned node = 0;
  REQUIRE(getcpu(&cpu, &node) == 0);
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(cpu, &here);
  REQUIRE(sched_setaffinity(0, sizeof(here), &here) == 0);
  CHECK(machine_topology().current_node() == NodeId{static_cast<std::uint16_t>(node)});
  sched_setaffinity(0, sizeof(before), &before);
}

TEST_CASE("four described nodes") {
  auto made = make_synthetic_topology("numa:4 core:2 pu:1");
  REQUIRE(made.ok());
  SyntheticTopology& topology = **made;
  check_shape(topology);
  CHECK(topology.nodes().size() == 4);
  CHECK(topology.cpus() == 8);
  for (const NodeInfo& node : topology.nodes()) {
    CHECK(node.cpus == 2);
    CHECK(node.memory.rep > 0);
  }
  CHECK(topology.distance(NodeId{0}, NodeId{3}) == 20);
}

TEST_CASE("described nodes may have holes") {
  auto made = make_synthetic_topology("numa:3(indexes=5,0,2) pu:1");
  REQUIRE(made.ok());
  const auto nodes = (*made)->nodes();
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].id == NodeId{0});
  CHECK(nodes[1].id == NodeId{2});
  CHECK(nodes[2].id == NodeId{5});
  check_shape(**made);
}

TEST_CASE("the current node is what the thread said, per topology") {
  auto one = make_synthetic_topology("numa:4 pu:1");
  auto other = make_synthetic_topology("numa:2 pu:1");
  REQUIRE(one.ok());
  REQUIRE(other.ok());
  CHECK((*one)->current_node() == NodeId{0});
  (*one)->set_current_node(NodeId{3});
  (*other)->set_current_node(NodeId{1});
  CHECK((*one)->current_node() == NodeId{3});
  CHECK((*other)->current_node() == NodeId{1});
  NodeId seen{99};
  std::thread([&] { seen = (*one)->current_node(); }).join();
  CHECK(seen == NodeId{0});
}

TEST_CASE("a topology that follows another starts at its first node") {
  for (int i = 0; i < 40; ++i) {
    auto topology = make_synthetic_topology("numa:2 pu:1");
    REQUIRE(topology.ok());
    CHECK((*topology)->current_node() == NodeId{0});
    (*topology)->set_current_node(NodeId{1});
    CHECK((*topology)->current_node() == NodeId{1});
  }
}

TEST_CASE("nonsense is refused with an example") {
  for (const char* description : {"", "four nodes please", "numa:"}) {
    const auto topology = make_synthetic_topology(description);
    REQUIRE_FALSE(topology.ok());
    CHECK(topology.code() == ErrorCode::kInvalid);
    CHECK(std::string(topology.error().text).find("numa:4") != std::string::npos);
  }
  CHECK(make_synthetic_topology(nullptr).code() == ErrorCode::kInvalid);
}

}  // namespace
}  // namespace fastmem
