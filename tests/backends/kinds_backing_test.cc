// SPDX-License-Identifier: BSD-3-Clause
// Several kinds of memory behind one Backing: numbers, order of fallback, and that each call reaches the kind it names.
#include "backends/kinds/kinds_backing.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "backends/caller/caller_backing.h"
#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "tests/contract/backing_contract.h"
#include "tests/core/fake_topology.h"
#include "tests/support/fake_backing.h"

namespace fastmem {
namespace {

using core::FakeTopology;
using test::FakeBacking;
using test::FakeBackingOptions;

KindOfMemory kind(const char* tag, std::unique_ptr<Backing> backing = nullptr) {
  KindOfMemory k;
  strncpy(k.tag, tag, sizeof(k.tag) - 1);
  k.backing = backing != nullptr ? std::move(backing) : std::make_unique<FakeBacking>();
  return k;
}

NodeId machine(unsigned n) { return NodeId{static_cast<std::uint16_t>(n)}; }

FakeTopology four_nodes() {
  return FakeTopology(std::vector<unsigned>{0, 1, 4, 5}, [](NodeId a, NodeId b) {
    return 10u + 10u * static_cast<unsigned>(a.rep > b.rep ? a.rep - b.rep : b.rep - a.rep);
  });
}

std::unique_ptr<KindsBacking> make(std::vector<KindOfMemory>& kinds, const Topology& topology) {
  auto made = KindsBacking::create(kinds, topology);
  REQUIRE_MESSAGE(made.ok(), std::string(made.ok() ? "" : made.error().text));
  return std::move(made.value());
}

ErrorCode refusal(std::vector<KindOfMemory>& kinds, const Topology& topology) {
  const auto made = KindsBacking::create(kinds, topology);
  CHECK((made.ok() || made.error().text[0] != '\0'));
  return made.code();
}

TEST_CASE("numbers: the default kind keeps the machine's, others come in steps of 1024, all ascending") {
  const FakeTopology topology = four_nodes();
  std::vector<KindOfMemory> kinds;
  kinds.push_back(kind("fast"));
  kinds.push_back(kind("normal"));
  kinds.push_back(kind("slow"));
  kinds[1].only_node = machine(4);
  kinds[2].only_when_named = true;
  const auto backing = make(kinds, topology);
  std::vector<unsigned> ids;
  for (const NodeInfo& info : backing->topology().nodes()) {
    ids.push_back(info.id.rep);
    CHECK(info.only_when_named == (info.id.rep >= 2048));
  }
  CHECK(ids == std::vector<unsigned>{0, 1, 4, 5, 1024 + 4, 2048, 2048 + 1, 2048 + 4, 2048 + 5});
  CHECK(std::string(backing->topology().kind_tag(0)) == "fast");
  CHECK(std::string(backing->topology().kind_tag(2)) == "slow");
  CHECK(backing->topology().kind_tag(3) == nullptr);
  CHECK(topology.kind_tag(0) == nullptr);
}

TEST_CASE("any node of the same kind is nearer than any of another, and then the kinds that are next") {
  const FakeTopology topology = four_nodes();
  std::vector<KindOfMemory> kinds;
  for (const char* tag : {"a", "b", "c"}) kinds.push_back(kind(tag));
  const auto backing = make(kinds, topology);
  const auto far = [&](unsigned from, unsigned to) { return backing->topology().distance(machine(from), machine(to)); };
  CHECK(far(0, 0) == 10);
  CHECK(far(0, 5) < far(0, 1024));
  CHECK(far(0, 1024) < far(0, 1024 + 5));
  CHECK(far(0, 1024 + 5) < far(0, 2048));
  CHECK(far(1024, 0) == far(0, 1024));
  CHECK(far(1024 + 1, 1) == far(1024 + 1, 2048 + 1));
}

TEST_CASE("the thread's node is one of the default kind: its own, or the nearest that has this kind") {
  const FakeTopology topology = four_nodes();
  std::vector<KindOfMemory> kinds;
  kinds.push_back(kind("local"));
  kinds.push_back(kind("far"));
  const auto all = make(kinds, topology);
  FakeTopology::run_on(machine(4));
  CHECK(all->topology().current_node() == machine(4));
  std::vector<KindOfMemory> one;
  one.push_back(kind("local"));
  one[0].only_node = machine(5);
  const auto only = make(one, topology);
  CHECK(only->topology().current_node() == machine(5));
}

TEST_CASE("what is refused") {
  const FakeTopology topology = four_nodes();
  std::vector<KindOfMemory> kinds;
  CHECK(refusal(kinds, topology) == ErrorCode::kInvalid);
  kinds.push_back(kind(""));
  CHECK(refusal(kinds, topology) == ErrorCode::kInvalid);
  kinds[0] = kind("same");
  kinds.push_back(kind("same"));
  CHECK(refusal(kinds, topology) == ErrorCode::kInvalid);
  kinds.clear();
  kinds.push_back(kind("named"));
  kinds[0].only_when_named = true;
  CHECK(refusal(kinds, topology) == ErrorCode::kInvalid);
  kinds[0] = kind("elsewhere");
  kinds[0].only_node = machine(2);
  CHECK(refusal(kinds, topology) == ErrorCode::kNoNode);
  kinds.clear();
  for (unsigned k = 0; k < 16; ++k) kinds.push_back(kind(std::to_string(k).c_str()));
  CHECK(refusal(kinds, topology) == ErrorCode::kOk);  // 64 nodes
  kinds.clear();
  for (unsigned k = 0; k < 64; ++k) kinds.push_back(kind(std::to_string(k).c_str()));
  const FakeTopology one(std::vector<unsigned>{0});
  CHECK(refusal(kinds, one) == ErrorCode::kInvalid);
  FakeTopology five(std::vector<unsigned>{0, 1, 2, 3, 4});
  kinds.clear();
  for (unsigned k = 0; k < 16; ++k) kinds.push_back(kind(std::to_string(k).c_str()));
  CHECK(refusal(kinds, five) == ErrorCode::kInvalid);
  FakeTopology high(std::vector<unsigned>{1023});
  kinds.clear();
  kinds.push_back(kind("x"));
  CHECK(refusal(kinds, high) == ErrorCode::kInvalid);
  kinds[0] = kind("x");
  kinds[0].backing = nullptr;
  CHECK(refusal(kinds, topology) == ErrorCode::kInvalid);
}

TEST_CASE("each call reaches the kind that the node names, under the machine's number") {
  const FakeTopology topology = four_nodes();
  FakeBackingOptions large;
  large.unit = kMiB * 32;
  large.fork_ends_with_iova = true;
  std::vector<KindOfMemory> kinds;
  auto a = std::make_unique<FakeBacking>();
  auto b = std::make_unique<FakeBacking>(large);
  FakeBacking* const first = a.get();
  FakeBacking* const second = b.get();
  kinds.push_back(kind("small", std::move(a)));
  kinds.push_back(kind("large", std::move(b)));
  const auto backing = make(kinds, topology);
  CHECK(backing->region_unit() == kRegionUnit);
  CHECK(backing->region_unit_of(machine(4)) == kRegionUnit);
  CHECK(backing->region_unit_of(machine(1024 + 4)) == kMiB * 32);
  const AddressRange window = backing->window();
  for (const FakeBacking* const each : {first, second}) {
    CHECK(window.begin <= each->window().begin);
    CHECK(window.end >= each->window().end);
  }
  CHECK((window.begin == first->window().begin || window.begin == second->window().begin));

  Result<Region> region = backing->reserve(kMiB * 32, machine(1024 + 4), Contiguity::kAny);
  REQUIRE(region.ok());
  CHECK(region->node == machine(1024 + 4));
  CHECK(first->held() == Bytes{0});
  CHECK(second->held(machine(4)) == kMiB * 32);
  std::vector<Iova> pages(region->size / region->page_size);
  CHECK(backing->iova(*region, pages).ok());
  CHECK(second->iova_calls() == 1);
  CHECK(!region->inherited_by_fork);
  CHECK(region->node == machine(1024 + 4));
  CHECK(backing->discard_unit(*region) == Bytes{0});
  region->inherited_by_fork = true;
  backing->release(*region);
  CHECK(second->held() == Bytes{0});

  CHECK(backing->reserve(kMiB * 32, machine(1024 + 3), Contiguity::kAny).code() == ErrorCode::kNoNode);
  CHECK(backing->reserve(kMiB * 32, machine(4096), Contiguity::kAny).code() == ErrorCode::kNoNode);
  CHECK(backing->reserve_piece(kMiB, machine(0)).code() == ErrorCode::kNoMemory);
  CHECK(backing->reserve_aligned(kMiB * 2, kMiB * 4, machine(0), Contiguity::kAny).code() == ErrorCode::kUnsupported);
}

TEST_CASE("memory that the user brings goes to the kind that takes it, outside of what others have reserved") {
  const FakeTopology topology(std::vector<unsigned>{0});
  std::vector<KindOfMemory> kinds;
  auto own = std::make_unique<FakeBacking>();
  const AddressRange reserved = own->window();
  kinds.push_back(kind("own", std::move(own)));
  for (const char* tag : {"mine", "yours"}) {
    auto caller = make_caller_backing();
    REQUIRE(caller.ok());
    kinds.push_back(kind(tag, std::move(caller.value())));
  }
  const auto backing = make(kinds, topology);
  CHECK(backing->window().begin == 0);
  CHECK(backing->in_pieces());
  Region region;
  region.base = reinterpret_cast<void*>(reserved.end);
  region.size = kMiB;
  region.node = machine(0);
  CHECK(backing->adopt(region).code == ErrorCode::kPermission);
  for (const unsigned node : {1024, 2048}) {
    region.node = machine(node);
    region.base = reinterpret_cast<void*>(reserved.end);
    CHECK(backing->adopt(region).ok());
    region.base = reinterpret_cast<void*>(reserved.end - kKiB.rep * 64);
    CHECK(backing->adopt(region).code == ErrorCode::kPermission);
  }
}

TEST_CASE("it keeps the contract of a backing, for every kind") {
  const NodeId first = machine_topology().nodes().front().id;
  for (const unsigned number : {0, 1}) {
    test::check_backing_contract(
        [] {
          std::vector<KindOfMemory> kinds;
          for (const char* tag : {"one", "two"}) {
            StandaloneOptions options;
            options.pages = PageKind::kSmall;
            options.address_space = kMiB * 256;
            auto made = make_standalone_backing(options, machine_topology());
            REQUIRE(made.ok());
            kinds.push_back(kind(tag, std::move(made.value())));
          }
          return std::unique_ptr<Backing>(std::move(KindsBacking::create(kinds, machine_topology()).value()));
        },
        place_of(number, first.rep));
  }
}

TEST_CASE("a window for memory that is brought") {
  CHECK(make_caller_backing({kRegionUnit.rep, kRegionUnit.rep * 9}).ok());
  CHECK(make_caller_backing({4096, kRegionUnit.rep}).code() == ErrorCode::kInvalid);
  CHECK(make_caller_backing({kRegionUnit.rep, kRegionUnit.rep}).code() == ErrorCode::kInvalid);
  CHECK(make_caller_backing({0, kRegionUnit.rep + 4096}).code() == ErrorCode::kInvalid);
  const CallerTopology topology(3);
  CHECK(topology.nodes().size() == 1);
  CHECK(topology.cpus() == 3);
  CHECK(topology.current_node() == machine(0));
}

}  // namespace
}  // namespace fastmem
