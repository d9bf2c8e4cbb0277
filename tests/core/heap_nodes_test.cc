// SPDX-License-Identifier: BSD-3-Clause
// Several NUMA nodes: where objects come from, in which order others serve, and that every object goes home.
#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "platform/machine_topology.h"
#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

TestHeap::Setup nodes(const std::vector<unsigned>& ids, FakeTopology::Distance distance = nullptr) {
  TestHeap::Setup setup;
  setup.nodes = ids;
  setup.distance = std::move(distance);
  return setup;
}

NodeId home_of(const TestHeap& heap, const void* p) {
  REQUIRE(p != nullptr);
  return heap.backing.node_of(p);
}

// Runs on the node, in a thread of its own.
template <class Work>
void on(NodeId where, Work work) {
  std::thread([&] {
    FakeTopology::run_on(where);
    work();
  }).join();
}

TEST_CASE("four described nodes: each thread's objects come from the node it runs on") {
  auto made = make_synthetic_topology("numa:4 core:2 pu:1");
  REQUIRE(made.ok());
  SyntheticTopology& topology = **made;
  FakeBacking backing;
  HeapConfig config;
  config.backing = &backing;
  config.topology = &topology;
  config.region_size = kMiB * 2;
  Result<Heap*> heap = Heap::create(config);
  REQUIRE(heap.ok());
  for (unsigned n = 0; n < 4; ++n) {
    std::thread([&, n] {
      topology.set_current_node(node(n));
      for (const std::size_t size : {16, 1000, 100'000}) {
        void* const p = heap.value()->alloc(size);
        REQUIRE(p != nullptr);
        CHECK(backing.node_of(p) == node(n));
        void* const q = heap.value()->alloc_with(size, 0, 0);
        CHECK(backing.node_of(q) == node(n));
        void* bulk[3];
        REQUIRE(heap.value()->alloc_bulk(bulk, 3, size, 0, 0, kAnyNode) == ErrorCode::kOk);
        for (void* const b : bulk) CHECK(backing.node_of(b) == node(n));
        Result<Handle> handle = heap.value()->handle(size, 0, kAnyNode);
        REQUIRE(handle.ok());
        CHECK(backing.node_of(heap.value()->alloc(*handle)) == node(n));
      }
    }).join();
  }
  CHECK(heap.value()->stats().elsewhere == 0);
  CHECK(heap.value()->stats().nodes == 4);
  heap.value()->check_invariants();
  heap.value()->destroy();
}

TEST_CASE("a node that is named serves, whoever asks") {
  TestHeap heap(nodes({0, 1, 2, 3}));
  for (unsigned asking = 0; asking < 4; ++asking) {
    on(node(asking), [&] {
      for (unsigned n = 0; n < 4; ++n) {
        for (const unsigned flags : {0u, kStrict}) {
          for (unsigned i = 0; i < 200; ++i) {
            void* const p = heap->alloc_with(500, 0, flags, node(n));
            REQUIRE(home_of(heap, p) == node(n));
            if (i % 2 == 0) heap->free(p);
          }
        }
        Result<Handle> handle = heap->handle(500, 0, node(n));
        REQUIRE(handle.ok());
        CHECK(home_of(heap, heap->alloc(*handle)) == node(n));
      }
    });
  }
  CHECK(heap->stats().elsewhere == 0);
}

TEST_CASE("strict never looks elsewhere; without it the others serve, nearest first") {
  // 0 -- 3 are near, then 2, then 1; ids with holes: 0, 2, 5, 9.
  const auto distance = [](NodeId a, NodeId b) -> unsigned {
    if (a == b) return 10;
    const unsigned far[4][4] = {{10, 40, 31, 12}, {40, 10, 20, 30}, {31, 20, 10, 50}, {12, 30, 50, 10}};
    const auto index = [](NodeId n) { return n.rep == 0 ? 0 : n.rep == 2 ? 1 : n.rep == 5 ? 2 : 3; };
    return far[index(a)][index(b)];
  };
  const std::vector<unsigned> ids = {0, 2, 5, 9};
  const std::vector<std::vector<unsigned>> orders = {{0, 9, 5, 2}, {2, 5, 9, 0}, {5, 2, 0, 9}, {9, 0, 2, 5}};
  for (unsigned k = 0; k < 4; ++k) {
    INFO(ids[k]);
    TestHeap heap(nodes(ids, distance));
    for (const unsigned id : ids) heap.backing.cap(node(id), kMiB * 2);
    on(node(ids[k]), [&] {
      std::vector<unsigned> order;
      while (void* const p = heap->alloc(kMaxSize)) {
        const unsigned home = home_of(heap, p).rep;
        if (order.empty() || order.back() != home) order.push_back(home);
      }
      CHECK(order == orders[k]);
      CHECK(heap->stats().elsewhere == 6);
      CHECK(heap->alloc_with(kMaxSize, 0, kStrict) == nullptr);
    });
    TestHeap strict(nodes(ids, distance));
    strict.backing.cap(node(ids[k]), kMiB * 2);
    unsigned n = 0;
    while (strict->alloc_with(kMaxSize, 0, kStrict, node(ids[k])) != nullptr) ++n;
    CHECK(n == 2);
    CHECK(last_error().code == ErrorCode::kNoMemory);
    CHECK(strict->stats().elsewhere == 0);
    CHECK(strict.backing.held() == kMiB * 2);
  }
}

TEST_CASE("a prefered node that has nothing: its nearest serves") {
  TestHeap heap(nodes({0, 1, 2}, [](NodeId a, NodeId b) { return a == b ? 10u : a.rep + b.rep == 3u ? 15u : 40u; }));
  heap.backing.cap(node(1), Bytes{});
  void* const p = heap->alloc_with(100, 0, 0, node(1));
  CHECK(home_of(heap, p) == node(2));
  CHECK(heap->stats().elsewhere == 1);
  CHECK(heap->alloc_with(100, 0, kStrict, node(1)) == nullptr);
  void* bulk[200];
  CHECK(heap->alloc_bulk(bulk, 200, 100, 0, kStrict, node(1)) == ErrorCode::kNoMemory);
  CHECK(heap->alloc_bulk(bulk, 200, 100, 0, 0, node(1)) == ErrorCode::kOk);
  for (void* const b : bulk) CHECK(home_of(heap, b) == node(2));
}

TEST_CASE("a node without memory, and a CPU on a node that the topology does not know") {
  TestHeap::Setup setup = nodes({3, 7});
  setup.backing.nodes = {node(7)};  // node 3 has CPUs only
  TestHeap heap(setup);
  on(node(3), [&] { CHECK(home_of(heap, heap->alloc(100)) == node(7)); });
  on(node(200), [&] { CHECK(home_of(heap, heap->alloc(100)) == node(7)); });
  CHECK(heap->node_stats(node(3)).value().backing == Bytes{});
  CHECK(heap->node_stats(node(200)).code() == ErrorCode::kNoNode);
}

TEST_CASE("an object freed by a thread of another node goes home") {
  TestHeap heap(nodes({0, 1}));
  std::vector<void*> all;
  on(node(0), [&] {
    for (unsigned i = 0; i < 1000; ++i) all.push_back(heap->alloc(64));
  });
  on(node(1), [&] {
    for (unsigned i = 0; i < all.size(); ++i) i % 2 == 0 ? heap->free(all[i]) : heap->free_sized(all[i], 64);
    // Its own allocations do not come from what it has just freed.
    unsigned own = 0;
    for (unsigned i = 0; i < 500; ++i) own += home_of(heap, heap->alloc(64)) == node(1) ? 1 : 0;
    CHECK(own == 500);
  });
  on(node(0), [&] {
    const std::set<void*> before(all.begin(), all.end());
    unsigned again = 0;
    for (unsigned i = 0; i < 1000; ++i) again += static_cast<unsigned>(before.count(heap->alloc(64)));
    CHECK(again == 1000);
  });
  CHECK(heap->stats().misuses == 0);
  heap.check_laws(1500);
}

TEST_CASE("a thread that moves allocates on its new node from its next miss on") {
  TestHeap heap(nodes({0, 1}));
  on(node(0), [&] {
    CHECK(home_of(heap, heap->alloc(64)) == node(0));
    FakeTopology::run_on(node(1));
    for (std::uint64_t n = heap->class_stats(64).value().cached; n != 0; --n) {
      CHECK(home_of(heap, heap->alloc(64)) == node(0));  // what it has
    }
    heap->alloc(64);  // the miss
    std::uint64_t there = 0;
    while (there < 300 && home_of(heap, heap->alloc(64)) == node(1)) ++there;
    CHECK(there == 300);
    CHECK(home_of(heap, heap->alloc(5000)) == node(1));  // and in every class
  });
}

TEST_CASE("a new thread in a slot that another left begins on its own node") {
  TestHeap heap(nodes({0, 1}));
  for (const unsigned n : {0u, 1u, 0u}) {
    on(node(n), [&] {
      CHECK(home_of(heap, heap->alloc(64)) == node(n));
      CHECK(home_of(heap, heap->alloc_with(64, 0, kStrict)) == node(n));
    });
  }
}

TEST_CASE("64 nodes, the most there can be") {
  std::vector<unsigned> ids;
  for (unsigned n = 0; n < kMaxNodes; ++n) ids.push_back(n * 3);
  TestHeap::Setup setup = nodes(ids);
  setup.config.region_size = kMiB * 2;
  TestHeap heap(setup);
  std::vector<void*> all;
  for (const unsigned id : ids) {
    all.push_back(heap->alloc_with(kMaxSize, 0, kStrict, node(id)));
    CHECK(home_of(heap, all.back()) == node(id));
    CHECK(heap->usable_size(all.back()) == kMaxSize);
  }
  for (void* const p : all) CHECK(heap->free(p) == ErrorCode::kOk);
  heap.check_laws(0);
}

}  // namespace
}  // namespace fastmem::core
