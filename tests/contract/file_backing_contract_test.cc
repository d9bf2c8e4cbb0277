// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "examples/file_backing/file_backing.h"
#include "platform/machine_topology.h"
#include "tests/contract/backing_contract.h"

namespace fastmem::test {
namespace {

std::string folder() {
  if (access("/dev/shm", W_OK) == 0) return "/dev/shm";
  const char* const temporary = std::getenv("TEST_TMPDIR");
  return temporary != nullptr ? temporary : "/tmp";
}

NodeId first_node_with_memory() {
  for (const NodeInfo& node : machine_topology().nodes()) {
    if (node.memory.rep != 0) return node.id;
  }
  return machine_topology().nodes().front().id;
}

TEST_CASE("the file backing keeps the contract") {
  const NodeId node = first_node_with_memory();
  const auto make = [node] {
    const std::string path = folder() + "/fastmem_contract_" + std::to_string(getpid());
    auto backing = FileBacking::open(path.c_str(), kRegionUnit * kContractUnits * 4, node);
    REQUIRE_MESSAGE(backing.ok(), std::string(backing.ok() ? "" : backing.error().text));
    unlink(path.c_str());
    return std::move(*backing);
  };
  check_backing_contract(make, node);
}

}  // namespace
}  // namespace fastmem::test
