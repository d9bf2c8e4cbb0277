// SPDX-License-Identifier: BSD-3-Clause
// Statistics: what each call adds, the conservation laws after random operations by several threads, and resets.
#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

TestHeap::Setup with_nodes(unsigned count, Profile profile = Profile::kFine) {
  TestHeap::Setup setup;
  setup.nodes.clear();
  for (unsigned n = 0; n < count; ++n) setup.nodes.push_back(n);
  setup.config.profile = profile;
  return setup;
}

// Sums over slots and over classes tell the same.
void check_sums(TestHeap& heap) {
  const HeapStats whole = heap->stats();
  SlotStats by_slot;
  std::map<std::size_t, SlotStats> by_class;
  const auto add = [](SlotStats& sum, const SlotStats& s) {
    sum.cached += s.cached;
    sum.alloc_hits += s.alloc_hits;
    sum.alloc_misses += s.alloc_misses;
    sum.nomem += s.nomem;
    sum.free_hits += s.free_hits;
    sum.free_misses += s.free_misses;
  };
  for (unsigned id = 0; id < kMaxSlots; ++id) {
    const Result<SlotStats> s = heap->slot_stats(id);
    if (!s.ok()) {
      CHECK(s.code() == ErrorCode::kInvalid);
      continue;
    }
    CHECK(s.value().class_size == 0);
    add(by_slot, s.value());
    SlotStats of_classes;
    for (unsigned c = 1; c <= heap->classes().count; ++c) {
      const std::size_t size = heap->classes().classes[c].size;
      const Result<SlotStats> k = heap->slot_class_stats(id, size);
      REQUIRE(k.ok());
      CHECK(k.value().class_size == size);
      add(of_classes, k.value());
      add(by_class[size], k.value());
    }
    CHECK(of_classes.cached == s.value().cached);
    CHECK(of_classes.alloc_hits == s.value().alloc_hits);
    CHECK(of_classes.free_hits == s.value().free_hits);
  }
  CHECK(by_slot.alloc_hits + by_slot.alloc_misses == whole.allocs);
  CHECK(by_slot.free_hits + by_slot.free_misses == whole.frees);
  CHECK(by_slot.nomem == whole.nomem);
  for (const auto& [size, s] : by_class) {
    Result<ClassStats> k = heap->class_stats(size);
    REQUIRE(k.ok());
    CHECK(k->alloc_hits == s.alloc_hits);
    CHECK(k->alloc_misses == s.alloc_misses);
    CHECK(k->free_hits == s.free_hits);
    CHECK(k->free_misses == s.free_misses);
    CHECK(k->nomem == s.nomem);
    CHECK(k->cached >= s.cached);  // the depot's besides
  }
}

void check_nodes(TestHeap& heap) {
  const HeapStats whole = heap->stats();
  Bytes backing;
  Bytes slabs;
  unsigned regions = 0;
  for (const NodeInfo& info : heap.topology.nodes()) {
    Result<NodeStats> n = heap->node_stats(info.id);
    REQUIRE(n.ok());
    CHECK(n->node == info.id);
    CHECK(n->backing == n->slabs + n->free);
    CHECK(n->backing == heap.backing.held(info.id));
    backing += n->backing;
    slabs += n->slabs;
    regions += n->regions;
  }
  CHECK(backing == whole.backing);
  CHECK(slabs == whole.slabs);
  CHECK(regions == whole.regions);
}

TEST_CASE("each call counts once, hit or miss, one by one or in bulk") {
  TestHeap heap;
  std::uint64_t allocs = 0;
  std::uint64_t frees = 0;
  const auto check = [&] {
    const auto k = heap->class_stats(112);
    CHECK(k.value().alloc_hits + k.value().alloc_misses == allocs);
    CHECK(k.value().free_hits + k.value().free_misses == frees);
    CHECK(k.value().in_use == allocs - frees);
    CHECK(heap->stats().allocs == allocs);
    CHECK(heap->stats().frees == frees);
  };
  Result<Handle> handle = heap->handle(100, 0, kAnyNode);
  std::vector<void*> all;
  for (unsigned i = 0; i < 500; ++i, ++allocs) all.push_back(heap->alloc(100));
  check();
  for (unsigned i = 0; i < 100; ++i, ++allocs) all.push_back(heap->alloc_with(100, 0, kZero));
  for (unsigned i = 0; i < 100; ++i, ++allocs) all.push_back(heap->alloc(*handle));
  check();
  std::vector<void*> bulk(700);
  REQUIRE(heap->alloc_bulk(bulk.data(), 700, 100, 0, 0, kAnyNode) == ErrorCode::kOk);
  allocs += 700;
  check();
  for (unsigned i = 0; i < 300; ++i, ++frees) heap->free(all[i]);
  for (unsigned i = 300; i < 500; ++i, ++frees) heap->free_sized(all[i], 100);
  for (unsigned i = 500; i < 700; ++i, ++frees) heap->free(*handle, all[i]);
  check();
  heap->free_bulk(bulk.data(), 350);
  heap->free_bulk(*handle, bulk.data() + 350, 350);
  frees += 700;
  check();
  heap->flush();
  check();
  heap->trim();
  check();
  CHECK(heap->free(nullptr) == ErrorCode::kOk);
  check();
}

TEST_CASE("random operations by several threads, then the laws") {
  for (const unsigned nodes : {1u, 4u}) {
    for (const Profile profile : {Profile::kFine, Profile::kRfc}) {
      TestHeap heap(with_nodes(nodes, profile));
      std::vector<std::vector<void*>> live(4);
      for (unsigned round = 0; round < 3; ++round) {
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < 4; ++t) {
          threads.emplace_back([&, t] {
            FakeTopology::run_on(node(t % nodes));
            std::mt19937 random(round * 4 + t);
            std::vector<void*>& mine = live[t];
            for (unsigned i = 0; i < 2000; ++i) {
              if (random() % 5 < 3 && mine.size() < 400) {
                mine.push_back(heap->alloc(1 + random() % (random() % 10 == 0 ? 50'000 : 500)));
              } else if (!mine.empty()) {
                std::swap(mine[random() % mine.size()], mine.back());
                heap->free(mine.back());
                mine.pop_back();
              }
              if (i % 500 == 0) heap->flush();
            }
          });
        }
        for (std::thread& t : threads) t.join();
        std::rotate(live.begin(), live.begin() + 1, live.end());  // others free what these allocated
        std::size_t objects = 0;
        for (const auto& mine : live) objects += mine.size();
        heap.check_laws(objects);
        check_sums(heap);
        check_nodes(heap);
        const HeapStats s = heap->stats();
        CHECK(s.allocs - s.frees == objects);
        CHECK(s.misuses == 0);
        CHECK(s.nomem == 0);
        CHECK(s.elsewhere == 0);
        CHECK(s.nodes == nodes);
        CHECK(s.classes == heap->classes().count);
        CHECK(s.metadata.rep > 0);
      }
      for (const auto& mine : live) CHECK(heap->free_bulk(mine.data(), mine.size()) == ErrorCode::kOk);
      heap.check_laws(0);
      heap->trim();
      heap.check_laws(0);
      check_nodes(heap);
      CHECK(heap->stats().cached == Bytes{});
      CHECK(heap->stats().backing == Bytes{});
    }
  }
}

TEST_CASE("a reset starts the counters anew; what is in use and cached stays") {
  TestHeap heap;
  std::vector<void*> all;
  for (unsigned i = 0; i < 1000; ++i) all.push_back(heap->alloc(1 + i));
  for (unsigned i = 0; i < 500; ++i) heap->free(all[i]);
  heap.backing.fail_always();
  unsigned failed = 0;
  while (heap->alloc(kMaxSize) != nullptr) ++failed;
  const HeapStats before = heap->stats();
  CHECK(before.nomem == 1);
  heap->reset_stats();
  const HeapStats after = heap->stats();
  CHECK(after.allocs == 0);
  CHECK(after.frees == 0);
  CHECK(after.nomem == 0);
  CHECK(after.elsewhere == 0);
  CHECK(after.in_use == before.in_use);
  CHECK(after.cached == before.cached);
  CHECK(after.slabs == before.slabs);
  CHECK(after.backing == before.backing);
  check_sums(heap);
  for (unsigned i = 500; i < 1000; ++i) heap->free(all[i]);
  void* const p = heap->alloc(100);
  CHECK(p != nullptr);
  CHECK(heap->stats().frees == 500);
  CHECK(heap->stats().allocs == 1);
  check_sums(heap);
}

TEST_CASE("what was asked in vain is counted in objects, in the class that was asked") {
  TestHeap heap;
  heap.backing.fail_always();
  void* ptrs[10];
  CHECK(heap->alloc(100) == nullptr);
  CHECK(heap->alloc_with(100, 0, kZero) == nullptr);
  CHECK(heap->alloc_bulk(ptrs, 10, 100, 0, 0, kAnyNode) == ErrorCode::kNoMemory);
  CHECK(heap->alloc(5000) == nullptr);
  CHECK(heap->class_stats(112).value().nomem == 12);
  CHECK(heap->class_stats(5120).value().nomem == 1);
  CHECK(heap->stats().nomem == 13);
  CHECK(heap->stats().allocs == 0);
}

TEST_CASE("asked for what is not there") {
  TestHeap heap;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100}, kMaxSize + 1}) {
    CHECK(heap->class_stats(size).code() == ErrorCode::kInvalid);
    CHECK(heap->slot_class_stats(0, size).code() == ErrorCode::kInvalid);
  }
  for (const unsigned slot : {900u, kMaxSlots, ~0u}) {
    CHECK(heap->slot_stats(slot).code() == ErrorCode::kInvalid);
    CHECK(heap->slot_class_stats(slot, 64).code() == ErrorCode::kInvalid);
  }
  CHECK(heap->node_stats(node(5)).code() == ErrorCode::kNoNode);
  CHECK(heap->node_stats(kAnyNode).code() == ErrorCode::kNoNode);
}

TEST_CASE("readers beside running threads see numbers that are at most a little old") {
  TestHeap heap(with_nodes(2));
  std::atomic<bool> done{false};
  std::thread worker([&] {
    std::vector<void*> mine;
    for (unsigned i = 0; i < 20'000; ++i) {
      mine.push_back(heap->alloc(1 + i % 3000));
      if (mine.size() < 100) continue;
      heap->free_bulk(mine.data(), mine.size());
      mine.clear();
    }
    heap->free_bulk(mine.data(), mine.size());
    done = true;
  });
  while (!done) {
    const HeapStats s = heap->stats();
    CHECK(s.in_use <= s.slabs + kMiB * 4);
    heap->reset_stats();
  }
  worker.join();
  heap.check_laws(0);
}

TEST_CASE("regions are told as they are, with IOVAs once these were asked for") {
  TestHeap heap;
  RegionStats told[8];
  CHECK(heap->regions(told) == 0);
  void* const p = heap->alloc(100);
  REQUIRE(heap->regions(told) == 1);
  CHECK(told[0].size == kMiB * 4);
  CHECK(told[0].node == node(0));
  CHECK(told[0].iova == kBadIova);
  const auto offset =
      static_cast<std::size_t>(static_cast<std::byte*>(p) - static_cast<const std::byte*>(told[0].base));
  CHECK(offset < told[0].size.rep);
  const Iova iova = heap->iova_of(p);
  REQUIRE(heap->regions(told) == 1);
  if (told[0].one_run) CHECK(told[0].iova.rep + offset == iova.rep);
  CHECK(told[0].iova != kBadIova);
  CHECK(heap->reserve(kMiB * 12, node(0)).ok());
  CHECK(heap->regions(told) == 3);
  CHECK(heap->regions({told, 2}) == 2);
  heap->free(p);
}

}  // namespace
}  // namespace fastmem::core
