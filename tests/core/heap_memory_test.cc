// SPDX-License-Identifier: BSD-3-Clause
// How a heap grows and gives back: sizes of regions, a backing that has less or refuses, reserve and trim.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"
#include "tests/support/sanitizers.h"

namespace fastmem::core {
namespace {

TestHeap::Setup regions_of(Bytes size, Bytes unit = kRegionUnit) {
  TestHeap::Setup setup;
  setup.backing.unit = unit;
  setup.config.region_size = size;
  return setup;
}

TEST_CASE("nothing is taken before the first object, and then one region") {
  TestHeap heap(regions_of(kMiB * 16));
  CHECK(heap.backing.regions() == 0);
  CHECK(heap->alloc(1) != nullptr);
  CHECK(heap.backing.regions() == 1);
  CHECK(heap.backing.held() == kMiB * 16);
}

TEST_CASE("regions grow with what is held, from the first size to the full one; after a trim it begins anew") {
  TestHeap::Setup setup = regions_of(kMiB * 16);
  setup.starts_small = true;
  setup.config.first_region = kMiB * 3;  // rounded up to 4
  TestHeap heap(setup);
  for (unsigned round = 0; round < 2; ++round) {
    std::vector<void*> all;
    std::vector<Bytes> steps;
    for (Bytes held; held < kMiB * 140;) {
      all.push_back(heap->alloc(kMaxSize));
      if (heap.backing.held() == held) continue;
      steps.push_back(heap.backing.held() - held);
      CHECK(steps.back() <= std::max(kMiB * 4, held));  // never more than twice what was held
      held = heap.backing.held();
    }
    CHECK(steps.front() == kMiB * 4);
    CHECK(std::is_sorted(steps.begin(), steps.end()));
    CHECK(steps.back() == kMiB * 16);
    CHECK(steps.size() < 25);
    for (void* const p : all) heap->free(p);
    heap->trim();
    CHECK(heap.backing.regions() == 0);
  }
}

TEST_CASE("a first region larger than a full one is as large as that") {
  TestHeap::Setup setup = regions_of(kMiB * 4);
  setup.starts_small = true;
  setup.config.first_region = kMiB * 64;
  TestHeap heap(setup);
  CHECK(heap->alloc(1) != nullptr);
  CHECK(heap.backing.held() == kMiB * 4);
}

TEST_CASE("regions are as large as configured, in units of the backing") {
  for (const Bytes wanted : {Bytes{1}, kMiB * 2, kMiB * 5, kMiB * 16}) {
    for (const Bytes unit : {kMiB * 2, kMiB * 4}) {
      TestHeap heap(regions_of(wanted, unit));
      for (unsigned i = 0; i < 40; ++i) REQUIRE(heap->alloc(kMaxSize) != nullptr);
      for (const Region& region : heap.backing.live()) CHECK(region.size == round_up(wanted, unit));
      CHECK(heap.backing.held() >= kMiB * 40);
      CHECK(heap.backing.held() < kMiB * 40 + round_up(wanted, unit));
    }
  }
}

TEST_CASE("where the backing has less, half is asked for, down to what is needed") {
  TestHeap heap(regions_of(kMiB * 64));
  heap.backing.cap(node(0), kMiB * 7);
  CHECK(heap->alloc(100) != nullptr);
  CHECK(heap.backing.held() == kMiB * 4);
  CHECK(heap.backing.refusals() == 4);  // 64, 32, 16, 8
  unsigned large = 0;
  while (heap->alloc(kMaxSize) != nullptr) ++large;
  CHECK(heap.backing.held() == kMiB * 6);
  const SizeClass& c = heap->classes()[class_of(Profile::kFine, kMaxSize)];
  CHECK(large == (kMiB * 6 / Bytes{c.granules * kGranule} - 1) * c.objects);  // a slab's place has small ones
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(std::string(last_error().text).find("capped") != std::string::npos);  // the backing's own words
}

TEST_CASE("a refusal of the n-th reserve leaves nothing allocated, and the heap goes on") {
  for (unsigned nth = 1; nth <= 8; ++nth) {
    INFO(nth);
    TestHeap heap(regions_of(kMiB * 2));
    heap.backing.fail_nth(nth, 1);
    std::vector<void*> all;
    unsigned failed = 0;
    for (unsigned i = 0; i < 16; ++i) {
      void* const p = heap->alloc(kMaxSize);
      if (p != nullptr) {
        std::memset(p, static_cast<int>(i), kMaxSize);
        all.push_back(p);
        continue;
      }
      ++failed;
      CHECK(last_error().code == ErrorCode::kNoMemory);
      heap.check_laws(all.size());
    }
    CHECK(failed == 1);
    CHECK(heap->stats().nomem == 1);
    CHECK(all.size() == 15);
    for (void* const p : all) CHECK(heap->free(p) == ErrorCode::kOk);
    heap.check_laws(0);
  }
}

TEST_CASE("a backing that refused again and again is left alone for a moment; a new limit ends that") {
  TestHeap heap(regions_of(kMiB * 2));
  heap.backing.fail_always();
  for (unsigned i = 0; i < 100; ++i) CHECK(heap->alloc(100) == nullptr);
  CHECK(heap.backing.refusals() >= 3);
  CHECK(heap.backing.refusals() < 20);
  heap.backing.fail_never();
  REQUIRE(heap->set_limit(kUnlimited, kAnyNode).ok());
  CHECK(heap->alloc(100) != nullptr);
}

TEST_CASE("after the moment it is asked again") {
  TestHeap heap(regions_of(kMiB * 2));
  heap.backing.fail_always();
  for (unsigned i = 0; i < 10; ++i) CHECK(heap->alloc(100) == nullptr);
  heap.backing.fail_never();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(heap->alloc(100) != nullptr);
}

TEST_CASE("errors of the backing other than memory are told and not repeated in halves") {
  TestHeap::Setup setup = regions_of(kMiB * 64);
  setup.backing.nodes = {node(5)};
  TestHeap heap(setup);
  CHECK(heap->alloc(100) == nullptr);
  CHECK(heap.backing.refusals() == 1);
  CHECK(std::string(last_error().text).find("no such node") != std::string::npos);
}

TEST_CASE("trim gives everything back, and the heap begins anew") {
  TestHeap heap(regions_of(kMiB * 2));
  Bytes books;
  for (unsigned round = 0; round < 5; ++round) {
    std::vector<void*> all;
    for (unsigned i = 0; i < 3000; ++i) all.push_back(heap->alloc(1 + i * 7 % 30'000));
    const Bytes held = heap.backing.held();
    CHECK(heap->trim() < held);  // objects live all over it
    for (void* const p : all) REQUIRE(heap->free(p) == ErrorCode::kOk);
    CHECK(heap->trim() + Bytes{} <= held);
    CHECK(heap.backing.regions() == 0);
    heap.check_laws(0);
    const auto n = heap->node_stats(node(0));
    REQUIRE(n.ok());
    CHECK(n.value().backing == Bytes{});
    CHECK(n.value().slabs == Bytes{});
    CHECK(n.value().metadata == Bytes{});
    CHECK(n.value().regions == 0);
    CHECK(heap->trim() == Bytes{});
    // What is kept of the books is used again.
    if (round == 0) books = heap->stats().metadata;
    CHECK(heap->stats().metadata == books);
  }
  CHECK(heap.backing.releases() == heap.backing.reserves());
}

TEST_CASE("trim keeps what live objects need, and no more") {
  TestHeap heap(regions_of(kMiB * 2));
  std::vector<void*> all;
  for (unsigned i = 0; i < 16; ++i) all.push_back(heap->alloc(kMaxSize));
  for (unsigned i = 0; i < 16; ++i) std::memset(all[i], static_cast<int>(i), kMaxSize);
  CHECK(heap.backing.regions() == 8);
  std::vector<void*> kept;
  for (unsigned i = 0; i < 16; ++i) {
    if (heap.backing.region_of(all[i]).base == heap.backing.region_of(all[7]).base) {
      kept.push_back(all[i]);
    } else {
      heap->free(all[i]);
    }
  }
  REQUIRE(kept.size() == 2);
  CHECK(heap->trim() == kMiB * 14);
  CHECK(heap.backing.regions() == 1);
  CHECK(all_bytes(all[7], kMaxSize, 7));
  heap.check_laws(2);
}

// A checked build stops where locks are taken out of order.
TEST_CASE("reserve may be the first thing that a thread does") {
  TestHeap heap(regions_of(kMiB * 16));
  std::thread([&heap] {
    CHECK(heap->reserve(kMiB * 4, node(0)).ok());
    CHECK(heap->alloc(16) != nullptr);
  }).join();
}

TEST_CASE("reserve holds at least what was asked, and counts what is there") {
  TestHeap heap(regions_of(kMiB * 4));
  CHECK(heap->reserve(Bytes{}, kAnyNode).ok());
  CHECK(heap.backing.regions() == 0);
  CHECK(heap->reserve(Bytes{1}, kAnyNode).ok());
  CHECK(heap.backing.regions() == 1);
  CHECK(heap->reserve(kMiB * 31, node(0)).ok());
  const Bytes held = heap.backing.held();
  CHECK(held >= kMiB * 31);
  CHECK(held < kMiB * 31 + kMiB * 4);
  for (const Region& region : heap.backing.live()) CHECK(region.size <= kMiB * 4);
  CHECK(heap->reserve(held, kAnyNode).ok());
  CHECK(heap->reserve(kMiB, node(0)).ok());
  CHECK(heap.backing.held() == held);
  CHECK(heap->reserve(kMiB, node(9)).code == ErrorCode::kNoNode);
  // Objects come from there: no more reserves.
  const unsigned reserves = heap.backing.reserves();
  for (unsigned i = 0; i < 30; ++i) CHECK(heap->alloc(kMaxSize) != nullptr);
  CHECK(heap.backing.reserves() == reserves);
}

TEST_CASE("reserve over the nodes, nearest first; on one node it stays there") {
  TestHeap::Setup setup = regions_of(kMiB * 4);
  setup.nodes = {0, 1, 2};
  setup.distance = [](NodeId a, NodeId b) { return a == b ? 10u : a.rep + b.rep == 2u ? 15u : 30u; };  // 0 is near 2
  TestHeap heap(setup);
  for (unsigned n = 0; n < 3; ++n) heap.backing.cap(node(n), kMiB * 8);
  CHECK(heap->reserve(kMiB * 9, node(1)).code == ErrorCode::kNoMemory);
  CHECK(heap.backing.held(node(1)) == kMiB * 8);  // what it got stays
  FakeTopology::run_on(node(0));
  CHECK(heap->reserve(kMiB * 18, kAnyNode).ok());
  CHECK(heap.backing.held(node(0)) == kMiB * 8);
  CHECK(heap.backing.held(node(2)) >= kMiB * 2);
  CHECK(heap.backing.held(node(2)) <= kMiB * 4);
  const Error error = heap->reserve(kMiB * 25, kAnyNode);
  CHECK(error.code == ErrorCode::kNoMemory);
  CHECK(std::string(error.text).find("25 MiB asked, 24 MiB held") != std::string::npos);
  heap.check_laws(0);
  CHECK(heap->trim() == kMiB * 24);
}

TEST_CASE("threads grow, free and trim at once") {
  TestHeap heap(regions_of(kMiB * 2));
  constexpr unsigned kRounds = test::kShadowMemory ? 30 : 200;
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  std::atomic<unsigned> wrong{0};
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned round = 0; round < kRounds; ++round) {
        std::vector<void*> mine;
        for (unsigned i = 0; i < 60; ++i) {
          const std::size_t size = 1 + (i * 7919 + round * 104'729) % 200'000;
          void* const p = heap->alloc(size);
          if (p == nullptr) {
            ++wrong;
            continue;
          }
          static_cast<unsigned*>(p)[0] = t;
          mine.push_back(p);
        }
        for (void* const p : mine) {
          if (static_cast<unsigned*>(p)[0] != t) ++wrong;
          heap->free(p);
        }
      }
    });
  }
  std::thread trimmer([&] {
    while (!done) {
      heap->trim();
      static_cast<void>(heap->stats());
      heap->check_invariants();
      std::this_thread::yield();
    }
  });
  for (std::thread& t : threads) t.join();
  done = true;
  trimmer.join();
  CHECK(wrong == 0);
  heap->trim();
  CHECK(heap.backing.regions() == 0);
  heap.check_laws(0);
}

TEST_CASE("a floor is there when set_floor returns, whatever goes back meanwhile") {
  TestHeap::Setup setup;
  setup.backing.discard_unit = kKiB * 64;
  TestHeap heap(setup);
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) heap->trim();
  });
  unsigned below = 0;
  for (unsigned i = 0; i < 300; ++i) {
    REQUIRE(heap->set_floor(kMiB * 8, kAnyNode).ok());
    below += heap->memory_stats(kAnyNode)->total < kMiB * 8;
    REQUIRE(heap->set_floor({}, kAnyNode).ok());
  }
  done = true;
  other.join();
  CHECK(below == 0);
  // One that cannot be had leaves the one before.
  REQUIRE(heap->set_floor(kMiB * 4, kAnyNode).ok());
  heap.backing.fail_always();
  CHECK(heap->set_floor(kMiB * 64, kAnyNode).code == ErrorCode::kNoMemory);
  CHECK(heap->memory_stats(kAnyNode)->floor == kMiB * 4);
  heap->trim();
  CHECK(heap->memory_stats(kAnyNode)->total >= kMiB * 4);
  heap.backing.fail_never();
}

}  // namespace
}  // namespace fastmem::core
