// SPDX-License-Identifier: BSD-3-Clause
// Limits: of any granularity, per node, below what is held, lifted again.
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

TestHeap::Setup limited(Bytes limit, unsigned nodes = 1) {
  TestHeap::Setup setup;
  setup.config.region_size = kMiB * 4;
  setup.config.limit_per_node = limit;
  setup.nodes.clear();
  for (unsigned n = 0; n < nodes; ++n) setup.nodes.push_back(n);
  return setup;
}

// Objects of one size until there are no more.
std::vector<void*> fill(TestHeap& heap, std::size_t size) {
  std::vector<void*> all;
  while (void* const p = heap->alloc_with(size, 0, kStrict)) {
    all.push_back(p);
    REQUIRE(all.size() < 5'000'000);
  }
  CHECK(last_error().code == ErrorCode::kNoMemory);
  return all;
}

// How many of the largest objects fit: the node's books keep the last slab out.
std::size_t largest_below(const TestHeap& heap, Bytes limit) {
  const SizeClass& c = heap->classes()[class_of(Profile::kFine, kMaxSize)];
  return (limit / Bytes{c.granules * kGranule} - 1) * c.objects;
}

void free_all(TestHeap& heap, const std::vector<void*>& all) {
  CHECK(heap->free_bulk(all.data(), all.size()) == ErrorCode::kOk);
}

TEST_CASE("slabs and the node's books stay below a limit of any granularity") {
  for (const std::size_t limit : {std::size_t{1}, 64 * kKiB.rep, 70 * kKiB.rep, 100 * kKiB.rep, 128 * kKiB.rep,
                                  (kMiB * 1).rep, (kMiB * 2).rep, (kMiB * 3).rep + 12'345, (kMiB * 9).rep}) {
    for (const std::size_t size : {64, 1000, 60'000}) {
      INFO(limit, " ", size);
      TestHeap heap(limited(Bytes{limit}));
      const std::vector<void*> all = fill(heap, size);
      auto n = heap->node_stats(node(0));
      REQUIRE(n.ok());
      CHECK(n->limit == Bytes{limit});
      CHECK((n->slabs + n->metadata <= Bytes{limit} || n->slabs == Bytes{}));
      CHECK(n->backing < Bytes{limit} + kRegionUnit);
      // It is used, too: what is left is less than a slab and its books.
      const std::size_t slab = heap->classes()[class_of(Profile::kFine, size)].granules * kGranule;
      CHECK((n->slabs + n->metadata).rep + slab + slab / 16 + 8192 > limit);
      free_all(heap, all);
      heap.check_laws(0);
    }
  }
}

TEST_CASE("limit 0: nothing at all") {
  TestHeap heap(limited(Bytes{}));
  CHECK(heap->alloc(1) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(std::string(last_error().text).find("limit") != std::string::npos);
  CHECK(heap->reserve(Bytes{1}, kAnyNode).code == ErrorCode::kNoMemory);
  CHECK(heap.backing.reserves() == 0);
  CHECK(heap.backing.refusals() == 0);
  REQUIRE(heap->set_limit(kUnlimited, kAnyNode).ok());
  CHECK(heap->alloc(1) != nullptr);
}

TEST_CASE("a limit below what is held takes nothing away and lets nothing more in") {
  TestHeap heap(limited(kUnlimited));
  std::vector<void*> all;
  for (unsigned i = 0; i < 16; ++i) all.push_back(heap->alloc(kMaxSize));
  CHECK(heap.backing.held() == kMiB * 16);
  REQUIRE(heap->set_limit(kMiB * 6, node(0)).ok());
  CHECK(heap->alloc(kMaxSize) == nullptr);
  CHECK(heap.backing.held() == kMiB * 16);
  free_all(heap, all);
  heap->trim();
  CHECK(heap.backing.regions() == 0);
  // Now it binds.
  all = fill(heap, kMaxSize);
  CHECK(all.size() == largest_below(heap, kMiB * 6));
  REQUIRE(heap->set_limit(kMiB * 20, node(0)).ok());
  const std::vector<void*> more = fill(heap, kMaxSize);
  CHECK(all.size() + more.size() == largest_below(heap, kMiB * 20));
  REQUIRE(heap->set_limit(kUnlimited, kAnyNode).ok());
  CHECK(heap->alloc(kMaxSize) != nullptr);
  CHECK(heap->stats().nomem == 3);
}

TEST_CASE("what was freed can be had again at the limit, in any class") {
  TestHeap heap(limited(kMiB * 8));
  for (const std::size_t size : {100, 5000, 300'000, 64, 1'000'000}) {
    INFO(size);
    const std::vector<void*> all = fill(heap, size);
    CHECK(all.size() * size > (kMiB * 3).rep);
    free_all(heap, all);
    heap.check_laws(0);
  }
}

TEST_CASE("each node has its limit") {
  TestHeap heap(limited(kMiB * 4, 3));
  REQUIRE(heap->set_limit(kMiB * 10, node(1)).ok());
  CHECK(heap->limit(node(0)).value() == kMiB * 4);
  CHECK(heap->limit(node(1)).value() == kMiB * 10);
  CHECK(heap->limit(node(2)).value() == kMiB * 4);
  CHECK(heap->limit(kAnyNode).value() == kMiB * 4);
  CHECK(heap->limit(node(7)).code() == ErrorCode::kNoNode);
  CHECK(heap->set_limit(kMiB, node(7)).code == ErrorCode::kNoNode);
  for (unsigned n = 0; n < 3; ++n) {
    unsigned objects = 0;
    while (heap->alloc_with(kMaxSize, 0, kStrict, node(n)) != nullptr) ++objects;
    CHECK(objects == largest_below(heap, kMiB * (n == 1 ? 10 : 4)));
  }
  REQUIRE(heap->set_limit(kMiB * 12, kAnyNode).ok());
  for (unsigned n = 0; n < 3; ++n) CHECK(heap->limit(node(n)).value() == kMiB * 12);
}

TEST_CASE("reserve stops at the limit and says so") {
  TestHeap heap(limited(kMiB * 10));
  CHECK(heap->reserve(kMiB * 10, node(0)).ok());
  const Error error = heap->reserve(kMiB * 11, node(0));
  CHECK(error.code == ErrorCode::kNoMemory);
  CHECK(std::string(error.text).find("the limit of node 0 is reached") != std::string::npos);
  CHECK(heap.backing.held() == kMiB * 10);
}

TEST_CASE("a reserve beyond the limit is refused to the byte, and takes nothing") {
  for (const Bytes limit : {Bytes{1}, Bytes{65'536}, kMiB * 5, kMiB * 5 + Bytes{1}, kMiB * 8}) {
    TestHeap heap;
    REQUIRE(heap->set_limit(limit, kAnyNode).ok());
    CHECK(heap->reserve(limit + Bytes{1}, node(0)).code == ErrorCode::kNoMemory);
    CHECK(heap->reserve(limit + Bytes{1}, kAnyNode).code == ErrorCode::kNoMemory);
    CHECK(heap->stats().backing.rep == 0);
    CHECK(heap->reserve(limit, node(0)).ok());
    CHECK(heap->reserve(limit, kAnyNode).ok());
    CHECK(heap->stats().backing >= limit);
    REQUIRE(heap->set_limit(Bytes{1}, kAnyNode).ok());
    CHECK(heap->reserve(limit, node(0)).ok());  // it is held already
  }
}

TEST_CASE("the total limit holds for objects with wishes, too") {
  TestHeap heap;
  REQUIRE(heap->reserve(kMiB * 16, kAnyNode).ok());
  heap->set_total_limit(kMiB * 3);
  CHECK(heap->alloc((kMiB * 4).rep) == nullptr);
  for (const Request& r :
       {Request{.size = 4 << 20, .flags = kContiguous}, Request{.size = 4 << 20, .boundary = 8 << 20}}) {
    CHECK(heap->alloc(r) == nullptr);
    CHECK(last_error().code == ErrorCode::kNoMemory);
    Request within = r;
    within.size = 3 << 20;
    void* const p = heap->alloc(within);
    REQUIRE(p != nullptr);
    CHECK(heap->alloc(Request{.size = 2 << 20, .flags = kContiguous}) == nullptr);
    CHECK(heap->free(p) == ErrorCode::kOk);
  }
  heap->check_invariants();
}

TEST_CASE("a search for memory of another node takes nothing of the total limit") {
  TestHeap::Setup setup;
  setup.nodes = {0, 1};
  setup.config.region_size = kMiB * 32;
  TestHeap heap(setup);
  REQUIRE(heap->reserve(kMiB * 32, node(0)).ok());
  REQUIRE(heap->reserve(kMiB * 32, node(1)).ok());
  heap->set_total_limit(kMiB * 40);
  std::atomic<bool> done{false};
  std::thread searches([&] {
    while (!done) heap->free(heap->alloc(Request{.size = 2 << 20, .flags = kContiguous | kStrict, .node = node(0)}));
  });
  unsigned refused = 0;
  for (unsigned i = 0; i < 20'000; ++i) {
    void* const p = heap->alloc(Request{.size = 20 << 20, .flags = kStrict, .node = node(1)});
    refused += p == nullptr;
    if (p != nullptr) heap->free(p);
  }
  done = true;
  searches.join();
  CHECK(refused == 0);
  heap->check_invariants();
}

}  // namespace
}  // namespace fastmem::core
