// SPDX-License-Identifier: BSD-3-Clause
// Kinds of memory in a heap: which kind serves under each policy, on which machine node, and what is counted.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backends/caller/caller_backing.h"
#include "backends/kinds/kinds_backing.h"
#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

constexpr unsigned kFast = 0;
constexpr unsigned kSlow = 1;
constexpr unsigned kDevice = 2;

NodeId of_kind(unsigned kind, unsigned machine_node = kCallersNode) { return place_of(kind, machine_node); }

struct Kinds {
  explicit Kinds(const std::vector<unsigned>& nodes = {0, 1}, std::optional<NodeId> slow_only = std::nullopt)
      : machine(nodes) {
    std::vector<KindOfMemory> kinds(3);
    const char* const tags[] = {"fast", "slow", "device"};
    for (unsigned k = 0; k < 3; ++k) {
      auto fake = std::make_unique<FakeBacking>();
      backings[k] = fake.get();
      std::strcpy(kinds[k].tag, tags[k]);
      kinds[k].backing = std::move(fake);
    }
    kinds[kSlow].only_node = slow_only;
    kinds[kDevice].only_when_named = true;
    auto made = KindsBacking::create(kinds, machine);
    REQUIRE(made.ok());
    HeapConfig config;
    config.topology = &made.value()->topology();
    config.backing = made.value().release();
    config.owns_backing = true;
    config.region_size = kMiB * 2;
    const Result<Heap*> created = Heap::create(config);
    REQUIRE_MESSAGE(created.ok(), std::string(created.ok() ? "" : created.error().text));
    heap = created.value();
  }
  ~Kinds() { heap->destroy(); }
  Kinds(const Kinds&) = delete;
  Kinds& operator=(const Kinds&) = delete;

  // The place an object lies in.
  NodeId home(const void* p) const {
    for (unsigned k = 0; k < 3; ++k) {
      const Region region = backings[k]->region_of(p);
      if (region.base != nullptr) return place_of(k, region.node.rep);
    }
    return kAnyNode;
  }
  void* alloc(NodeId node, unsigned flags = 0) const { return heap->alloc_with(1000, 0, flags, node); }
  KindStats stats(NodeId node) const {
    const auto s = heap->kind_stats(node);
    REQUIRE(s.ok());
    return s.value();
  }

  FakeTopology machine;
  FakeBacking* backings[3];
  Heap* heap;
};

TEST_CASE("the default kind on the caller's node, unless another is named") {
  const Kinds k;
  FakeTopology::run_on(node(1));
  CHECK(k.home(k.heap->alloc(1000)) == of_kind(kFast, 1));
  CHECK(k.home(k.alloc(kAnyNode)) == of_kind(kFast, 1));
  CHECK(k.home(k.alloc(of_kind(kSlow, 0))) == of_kind(kSlow, 0));
  CHECK(k.home(k.alloc(of_kind(kSlow))) == of_kind(kSlow, 1));
  CHECK(k.home(k.alloc(of_kind(kFast))) == of_kind(kFast, 1));
  CHECK(k.home(k.alloc(of_kind(kDevice))) == of_kind(kDevice, 1));
  CHECK(k.heap->stats().elsewhere == 0);
  CHECK(k.heap->stats().nodes == 6);

  CHECK(k.alloc(of_kind(3)) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoNode);
  CHECK(k.alloc(of_kind(kSlow, 2)) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoNode);
}

TEST_CASE("a handle and a bulk of a kind") {
  const Kinds k;
  FakeTopology::run_on(node(1));
  const auto handle = k.heap->handle(1000, 0, of_kind(kSlow));
  REQUIRE(handle.ok());
  void* const p = k.heap->alloc(handle.value());
  CHECK(k.home(p) == of_kind(kSlow, 1));
  CHECK(k.heap->free(handle.value(), p) == ErrorCode::kOk);
  void* bulk[5];
  REQUIRE(k.heap->alloc_bulk(bulk, 5, 1000, 0, kStrict, of_kind(kSlow)) == ErrorCode::kOk);
  for (void* const b : bulk) CHECK(k.home(b) == of_kind(kSlow, 1));
  CHECK(k.heap->alloc_bulk(bulk, 5, 1000, 0, 0, of_kind(9)) == ErrorCode::kNoNode);
}

TEST_CASE("a kind on one machine node serves threads of every node") {
  const Kinds k({0, 1, 2}, node(2));
  FakeTopology::run_on(node(0));
  CHECK(k.home(k.alloc(of_kind(kSlow))) == of_kind(kSlow, 2));
  CHECK(k.home(k.alloc(of_kind(kSlow), kStrict)) == of_kind(kSlow, 2));
}

TEST_CASE("prefer: the same kind on the other node first, then another kind, never one that must be named") {
  const Kinds k;
  FakeTopology::run_on(node(0));
  k.backings[kFast]->cap(node(0), Bytes{0});
  CHECK(k.home(k.alloc(kAnyNode)) == of_kind(kFast, 1));
  k.backings[kFast]->cap(node(1), kMiB * 2);
  void* p = k.alloc(kAnyNode);
  while (k.home(p) == of_kind(kFast, 1)) p = k.alloc(kAnyNode);
  CHECK(k.home(p) == of_kind(kSlow, 0));
  k.backings[kSlow]->cap(node(0), kMiB * 2);
  k.backings[kSlow]->cap(node(1), kMiB * 2);
  while (p != nullptr) {
    CHECK(k.home(p) != of_kind(kDevice, 0));
    CHECK(k.home(p) != of_kind(kDevice, 1));
    p = k.alloc(kAnyNode);
  }
  CHECK(last_error().code == ErrorCode::kNoMemory);

  SUBCASE("what must be named stands in for itself on another node, and others stand in for it") {
    k.backings[kDevice]->cap(node(0), Bytes{0});
    CHECK(k.home(k.alloc(of_kind(kDevice), kStrict)) == of_kind(kDevice, 1));
    k.backings[kSlow]->cap(node(1), kMiB * 4);
    k.backings[kDevice]->cap(node(1), kMiB * 2);
    p = k.alloc(of_kind(kDevice));
    while (k.home(p) == of_kind(kDevice, 1)) p = k.alloc(of_kind(kDevice));
    CHECK(k.home(p) == of_kind(kSlow, 1));
  }
}

TEST_CASE("strict: one place, or one kind on any node") {
  const Kinds k;
  FakeTopology::run_on(node(0));
  k.backings[kSlow]->cap(node(0), Bytes{0});
  CHECK(k.alloc(of_kind(kSlow, 0), kStrict) == nullptr);
  CHECK(k.home(k.alloc(of_kind(kSlow), kStrict)) == of_kind(kSlow, 1));
  void* bulk[3];
  REQUIRE(k.heap->alloc_bulk(bulk, 3, 2000, 0, kStrict, of_kind(kSlow)) == ErrorCode::kOk);
  CHECK(k.home(bulk[0]) == of_kind(kSlow, 1));
  k.backings[kSlow]->cap(node(1), kMiB * 2);
  while (void* const p = k.alloc(of_kind(kSlow), kStrict)) CHECK(k.home(p) == of_kind(kSlow, 1));
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(k.home(k.alloc(of_kind(kSlow))) == of_kind(kFast, 0));
}

TEST_CASE("any kind: what is held comes before what would have to grow") {
  const Kinds k;
  FakeTopology::run_on(node(0));
  CHECK(k.heap->reserve(kMiB * 2, of_kind(kSlow, 1)).ok());
  CHECK(k.home(k.alloc(kAnyNode, kAnyKind)) == of_kind(kSlow, 1));
  CHECK(k.backings[kFast]->held() == Bytes{0});
  SUBCASE("without the flag the kind asked grows") {
    CHECK(k.home(k.alloc(kAnyNode)) == of_kind(kFast, 0));
    CHECK(k.home(k.heap->alloc_with(50'000, 0, kAnyKind, kAnyNode)) == of_kind(kFast, 0));  // now that it holds some
  }
  SUBCASE("it grows when nothing is held any more, as without") {
    void* p = k.alloc(kAnyNode, kAnyKind);
    while (k.home(p) == of_kind(kSlow, 1)) p = k.alloc(kAnyNode, kAnyKind);
    CHECK(k.home(p) == of_kind(kFast, 0));
  }
  SUBCASE("strict bounds it") {
    CHECK(k.home(k.alloc(of_kind(kFast), kAnyKind | kStrict)) == of_kind(kFast, 0));
    CHECK(k.home(k.alloc(of_kind(kSlow, 0), kAnyKind | kStrict)) == of_kind(kSlow, 0));
  }
}

TEST_CASE("large objects follow the same policies") {
  const Kinds k;
  FakeTopology::run_on(node(0));
  constexpr std::size_t kLarge = 3 << 19;
  const auto large = [&](NodeId where, unsigned flags = 0) { return k.heap->alloc_with(kLarge, 0, flags, where); };
  CHECK(k.home(large(of_kind(kSlow))) == of_kind(kSlow, 0));
  CHECK(k.home(large(of_kind(kSlow, 1))) == of_kind(kSlow, 1));
  CHECK(k.alloc(of_kind(8)) == nullptr);
  CHECK(large(of_kind(8)) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoNode);
  REQUIRE(k.heap->reserve(kMiB * 32, of_kind(kSlow, 1)).ok());
  void* const p = large(kAnyNode, kAnyKind);
  CHECK(k.home(p) == of_kind(kSlow, 1));
  CHECK(k.stats(of_kind(kFast, 0)).sent_elsewhere == 1);
  CHECK(k.home(large(kAnyNode)) == of_kind(kFast, 0));
  CHECK(k.home(large(of_kind(kFast), kAnyKind | kStrict)) == of_kind(kFast, 0));
  k.backings[kSlow]->cap(node(0), Bytes{0});
  CHECK(large(of_kind(kSlow, 0), kStrict) == nullptr);
  CHECK(k.home(large(of_kind(kSlow), kStrict)) == of_kind(kSlow, 1));
  CHECK(k.home(k.heap->alloc(Request{kLarge, 0, 1 << 22, kStrict, of_kind(kSlow)})) == of_kind(kSlow, 1));
}

TEST_CASE("what went elsewhere is counted at both ends") {
  const Kinds k;
  FakeTopology::run_on(node(0));
  k.backings[kFast]->cap(node(0), Bytes{0});
  k.backings[kFast]->cap(node(1), Bytes{0});
  for (unsigned i = 0; i < 3; ++i) REQUIRE(k.home(k.alloc(of_kind(kFast))) == of_kind(kSlow, 0));
  CHECK(k.stats(of_kind(kFast, 0)).sent_elsewhere == 3);
  CHECK(k.stats(of_kind(kFast, 1)).sent_elsewhere == 0);
  CHECK(k.stats(of_kind(kSlow, 0)).served_for_others == 3);
  CHECK(k.stats(of_kind(kSlow, 1)).served_for_others == 0);
  CHECK(k.stats(of_kind(kSlow)).served_for_others == 3);
  CHECK(k.stats(of_kind(kSlow)).nodes == 2);
  CHECK(k.stats(of_kind(kFast)).sent_elsewhere == 3);
  CHECK(k.heap->stats().elsewhere == 3);
  k.heap->reset_stats();
  CHECK(k.stats(of_kind(kSlow)).served_for_others == 0);
  CHECK(k.stats(of_kind(kFast)).sent_elsewhere == 0);
  CHECK(k.heap->kind_stats(of_kind(7)).code() == ErrorCode::kNoNode);
}

TEST_CASE("reserve, limits and statistics of a whole kind") {
  const Kinds k;
  FakeTopology::run_on(node(1));
  k.backings[kSlow]->cap(node(1), kMiB * 4);
  CHECK(k.heap->reserve(kMiB * 6, of_kind(kSlow)).ok());
  CHECK(k.backings[kSlow]->held(node(1)) == kMiB * 4);
  CHECK(k.backings[kSlow]->held(node(0)) == kMiB * 2);
  CHECK(k.backings[kFast]->held() == Bytes{0});
  const auto together = k.heap->node_stats(of_kind(kSlow));
  REQUIRE(together.ok());
  CHECK(together.value().backing == kMiB * 6);
  CHECK(together.value().regions == 3);
  CHECK(k.heap->node_stats(of_kind(kSlow, 0)).value().backing == kMiB * 2);

  CHECK(k.heap->set_limit(kMiB * 4, of_kind(kSlow)).ok());
  CHECK(k.heap->limit(of_kind(kSlow, 0)).value() == kMiB * 4);
  CHECK(k.heap->limit(of_kind(kSlow, 1)).value() == kMiB * 4);
  CHECK(k.heap->limit(of_kind(kFast, 1)).value() == kUnlimited);
  CHECK(k.heap->set_limit(kMiB * 2, of_kind(kSlow, 0)).ok());
  CHECK(k.heap->limit(of_kind(kSlow)).value() == kMiB * 2);
  CHECK(k.heap->set_limit(kMiB, of_kind(5)).code == ErrorCode::kNoNode);
  CHECK(k.heap->limit(of_kind(5)).code() == ErrorCode::kNoNode);
  CHECK(k.heap->reserve(kMiB, of_kind(5)).code == ErrorCode::kNoNode);
}

TEST_CASE("in a heap without kinds, kind 0 is all there is") {
  TestHeap heap;
  CHECK(heap->alloc_with(10, 0, kStrict, of_kind(0)) != nullptr);
  CHECK(heap->alloc_with(10, 0, 0, of_kind(1)) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoNode);
}

}  // namespace
}  // namespace fastmem::core
