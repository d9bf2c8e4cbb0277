// SPDX-License-Identifier: BSD-3-Clause
// On a machine with several nodes: does an object come from where it was asked (strict), or else from the nearest node
// that has memory, and is it counted? The machine is a described one; its memory is this one's.
#include <doctest/doctest.h>

#include <fastmem.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "platform/machine_topology.h"

namespace fastmem {
namespace {

constexpr NodeId kFirst{0};
constexpr NodeId kSecond{1};

struct Machine {
  explicit Machine(const char* description = "numa:2 core:2 pu:1") {
    auto made = make_synthetic_topology(description);
    REQUIRE(made.ok());
    topology = std::move(made.value());
    Config config;
    config.pages = PageKind::kSmall;
    config.iova = IovaMode::kNone;
    config.region_size = kMiB * 2;
    config.address_space = kMiB * 512;
    config.topology = topology.get();
    Result<Heap> created = Heap::create(config);
    REQUIRE_MESSAGE(created.ok(), std::string(created.ok() ? "" : created.error().text));
    heap = std::make_unique<Heap>(std::move(created.value()));
  }

  Bytes slabs(NodeId node) const { return heap->node_stats(node).value().slabs; }

  std::unique_ptr<SyntheticTopology> topology;
  std::unique_ptr<Heap> heap;
};

TEST_CASE("an object comes from the node that was asked, whole heap and node by node") {
  Machine m;
  CHECK(m.heap->stats().nodes == 2);
  void* const p = m.heap->alloc(100, 0, 0, kSecond);
  REQUIRE(p != nullptr);
  CHECK(m.slabs(kFirst) == Bytes{0});
  CHECK(m.slabs(kSecond) > Bytes{0});
  void* const q = m.heap->alloc(100, 0, kStrict, kFirst);
  REQUIRE(q != nullptr);
  CHECK(m.slabs(kFirst) > Bytes{0});
  CHECK(m.heap->stats().elsewhere == 0);
  CHECK(m.heap->free(p) == ErrorCode::kOk);
  CHECK(m.heap->free(q, 100) == ErrorCode::kOk);
  CHECK(m.heap->stats().in_use == Bytes{0});
}

TEST_CASE("the calling thread's node by default; each thread's own") {
  Machine m;
  std::thread([&] {
    m.topology->set_current_node(kSecond);
    void* const p = m.heap->alloc(64);
    CHECK(p != nullptr);
    CHECK(m.slabs(kFirst) == Bytes{0});
    CHECK(m.heap->free(p) == ErrorCode::kOk);
  }).join();
  void* const p = m.heap->alloc(64);
  CHECK(p != nullptr);
  CHECK(m.slabs(kFirst) > Bytes{0});
}

TEST_CASE("prefer falls back and is counted; strict does not") {
  Machine m;
  REQUIRE(m.heap->set_limit(Bytes{0}, kSecond).ok());
  CHECK(m.heap->alloc(100, 0, kStrict, kSecond) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(m.heap->stats().nomem == 1);
  CHECK(m.heap->stats().elsewhere == 0);
  void* const p = m.heap->alloc(100, 0, 0, kSecond);
  REQUIRE(p != nullptr);
  CHECK(m.slabs(kFirst) > Bytes{0});
  CHECK(m.heap->stats().elsewhere == 1);
  CHECK(m.heap->stats().nomem == 1);
  CHECK(m.heap->free(p) == ErrorCode::kOk);
  CHECK(m.heap->alloc(100, 0, kStrict, kSecond) == nullptr);  // still: what was freed is of the first node
  CHECK(m.heap->stats().in_use == Bytes{0});
}

TEST_CASE("strict without a node means the caller's") {
  Machine m;
  REQUIRE(m.heap->set_limit(Bytes{0}, kFirst).ok());
  CHECK(m.heap->alloc(100, 0, kStrict) == nullptr);
  void* const p = m.heap->alloc(100);
  CHECK(p != nullptr);
  CHECK(m.heap->stats().elsewhere == 1);
}

TEST_CASE("a strict bulk is all or nothing on its node; one by preference takes what there is") {
  Machine m;
  constexpr std::size_t kSize = 64 * 1024;
  REQUIRE(m.heap->set_limit(kMiB * 3, kSecond).ok());
  std::vector<void*> objects(200);
  CHECK(m.heap->alloc_bulk(objects, kSize, 0, kStrict, kSecond) == ErrorCode::kNoMemory);
  CHECK(objects == std::vector<void*>(200));
  CHECK(m.heap->stats().in_use == Bytes{0});
  REQUIRE(m.heap->alloc_bulk(objects, kSize, 0, 0, kSecond) == ErrorCode::kOk);
  CHECK(m.slabs(kSecond) > kMiB);
  CHECK(m.slabs(kFirst) > kMiB);
  CHECK(m.heap->stats().elsewhere > 100);
  CHECK(m.heap->free_bulk(objects) == ErrorCode::kOk);  // of both nodes
  CHECK(m.heap->stats().in_use == Bytes{0});
  m.heap->flush();
  CHECK(m.heap->stats().misuses == 0);
  m.heap->check_invariants();
}

TEST_CASE("a handle stays on its node, and falls back unless it is to be strict") {
  Machine m;
  const Result<Handle> handle = m.heap->handle(100, 0, kSecond);
  REQUIRE(handle.ok());
  void* const p = m.heap->alloc(handle.value());
  REQUIRE(p != nullptr);
  CHECK(m.slabs(kFirst) == Bytes{0});
  CHECK(m.heap->free(handle.value(), p) == ErrorCode::kOk);
  m.heap->trim();
  REQUIRE(m.heap->set_limit(Bytes{0}, kSecond).ok());
  CHECK(m.heap->alloc(handle.value(), kStrict) == nullptr);
  void* const q = m.heap->alloc(handle.value());
  REQUIRE(q != nullptr);
  CHECK(m.slabs(kFirst) > Bytes{0});
  CHECK(m.heap->stats().elsewhere == 1);
  // Freed by the handle though it is of the other node: noticed when the cache is emptied, and sent home.
  CHECK(m.heap->free(handle.value(), q) == ErrorCode::kOk);
  m.heap->flush();
  CHECK(m.heap->stats().in_use == Bytes{0});
  m.heap->check_invariants();
}

TEST_CASE("the handle of no particular node is of the caller's") {
  Machine m;
  std::thread([&] {
    m.topology->set_current_node(kSecond);
    const Result<Handle> handle = m.heap->handle(100);
    REQUIRE(handle.ok());
    CHECK(m.heap->alloc(handle.value()) != nullptr);
    CHECK(m.slabs(kSecond) > Bytes{0});
    CHECK(m.slabs(kFirst) == Bytes{0});
  }).join();
}

TEST_CASE("reserve: on one node, and over all of them, nearest first") {
  Machine m;
  REQUIRE(m.heap->reserve(kMiB * 4, kSecond).ok());
  CHECK(m.heap->node_stats(kSecond).value().backing == kMiB * 4);
  CHECK(m.heap->node_stats(kFirst).value().backing == Bytes{0});
  REQUIRE(m.heap->reserve(kMiB * 4).ok());  // held already, all together
  CHECK(m.heap->stats().backing == kMiB * 4);
  REQUIRE(m.heap->set_limit(kMiB * 6, kFirst).ok());
  REQUIRE(m.heap->reserve(kMiB * 14).ok());
  CHECK(m.heap->node_stats(kFirst).value().backing == kMiB * 6);
  CHECK(m.heap->node_stats(kSecond).value().backing == kMiB * 8);
}

TEST_CASE("limits: of each node, and of one") {
  Machine m;
  REQUIRE(m.heap->set_limit(kMiB * 5).ok());
  REQUIRE(m.heap->set_limit(kMiB * 7, kSecond).ok());
  CHECK(m.heap->limit(kFirst).value() == kMiB * 5);
  CHECK(m.heap->limit(kSecond).value() == kMiB * 7);
  CHECK(m.heap->node_stats(kSecond).value().limit == kMiB * 7);
}

TEST_CASE("what other threads cached on the asked node is found before another node is") {
  Machine m;
  constexpr std::size_t kSize = 128 * 1024;
  REQUIRE(m.heap->set_limit(kMiB * 4, kSecond).ok());
  std::vector<void*> objects;
  while (void* const p = m.heap->alloc(kSize, 0, kStrict, kSecond)) objects.push_back(p);
  REQUIRE(objects.size() > 8);
  REQUIRE(m.heap->free_bulk(objects) == ErrorCode::kOk);  // all in this thread's caches and the depot
  std::thread([&] {
    m.topology->set_current_node(kSecond);
    std::vector<void*> again(objects.size());
    CHECK(m.heap->alloc_bulk(again, kSize, 0, 0) == ErrorCode::kOk);
    CHECK(m.slabs(kFirst) == Bytes{0});
    CHECK(m.heap->free_bulk(again) == ErrorCode::kOk);
  }).join();
}

}  // namespace
}  // namespace fastmem
