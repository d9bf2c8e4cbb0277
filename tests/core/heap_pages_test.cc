// SPDX-License-Identifier: BSD-3-Clause
// Pages that go back to the system inside of regions, and come again: trim, floors, IOVAs, what is refused, and threads.
#include <doctest/doctest.h>

#include <random>
#include <thread>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kM = kMiB.rep;

TestHeap::Setup pages_of(Bytes unit, Bytes page = kKiB * 4) {
  TestHeap::Setup setup;
  setup.backing.discard_unit = unit;
  setup.backing.page_size = page;
  setup.backing.window = kGiB;
  setup.config.region_size = kMiB * 64;
  return setup;
}

void check_held(const TestHeap& heap) {
  heap->check_invariants();
  CHECK(heap->stats().backing == heap.backing.held() - heap.backing.discarded());
}

TEST_CASE("around a live object everything else goes, and comes back when it is needed") {
  for (const Bytes unit : {kKiB * 64, kMiB * 2}) {
    const TestHeap heap(pages_of(unit));
    std::vector<std::byte*> all;
    for (unsigned i = 0; i < 20; ++i) all.push_back(static_cast<std::byte*>(heap->alloc(kM * 3)));
    std::memset(all[7], 0x77, kM * 3);
    for (unsigned i = 0; i < 20; ++i) {
      if (i != 7) heap->free(all[i]);
    }
    CHECK(heap->trim() >= kMiB * 57);
    CHECK(heap.backing.regions() == 1);
    CHECK(heap->stats().backing <= kMiB * 3 + unit * 2);
    check_held(heap);
    CHECK(heap->trim() == Bytes{});
    CHECK(all_bytes(all[7], kM * 3, 0x77));
    // What was away reads 0, and nothing of it is written to say so.
    void* const p = heap->alloc_with(kM * 10, 0, kZero);
    REQUIRE(p != nullptr);
    CHECK(all_bytes(p, kM * 10, 0));
    CHECK(heap.backing.regions() == 1);
    CHECK(heap.backing.restores() != 0);
    check_held(heap);
    for (unsigned i = 0; i < 2000; ++i) REQUIRE(heap->alloc(1024) != nullptr);
    check_held(heap);
  }
}

TEST_CASE("trim of so many bytes stops there") {
  const TestHeap heap(pages_of(kKiB * 64));
  void* const live = heap->alloc(kM * 2);
  for (const std::size_t most : {kM, kM * 5, kM * 7 + 1}) {
    const Bytes before = heap->stats().backing;
    const Bytes gone = heap->trim(Bytes{most});
    CHECK(gone >= Bytes{round_down(most, kGranule)});
    CHECK(gone <= Bytes{round_up(most, kGranule)});
    CHECK(before - heap->stats().backing == gone);
    check_held(heap);
  }
  heap->free(live);
}

TEST_CASE("the floor of a node stays, whatever goes") {
  const TestHeap heap(pages_of(kKiB * 64));
  CHECK(heap->set_floor(kMiB * 10, node(3)).code == ErrorCode::kNoNode);
  REQUIRE(heap->set_floor(kMiB * 10, node(0)).ok());
  CHECK(heap->stats().backing >= kMiB * 10);  // at once
  void* const p = heap->alloc(kM * 90);
  heap->free(p);
  heap->trim();
  CHECK(heap->stats().backing == kMiB * 10);
  check_held(heap);
  REQUIRE(heap->set_floor({}, kAnyNode).ok());
  heap->trim();
  CHECK(heap->stats().backing == Bytes{});
  CHECK(heap->set_floor(kGiB * 2, node(0)).code == ErrorCode::kNoMemory);  // more than there is
  heap->trim();
  CHECK(heap->stats().backing == Bytes{});
}

TEST_CASE("where pages cannot come back: another region, and else an error and nothing lost") {
  TestHeap heap(pages_of(kMiB * 2));
  void* const live = heap->alloc(kM * 2);
  heap->trim();
  const Bytes held = heap->stats().backing;
  heap.backing.refuse_restores(true);
  void* const p = heap->alloc(kM * 30);
  REQUIRE(p != nullptr);
  CHECK(heap.backing.regions() == 2);
  heap->free(p);
  heap->trim();
  CHECK(heap->stats().backing == held);
  heap.backing.fail_always();
  CHECK(heap->alloc(kM * 30) == nullptr);
  CHECK(last_error().code == ErrorCode::kNoMemory);
  check_held(heap);
  heap.backing.refuse_restores(false);
  CHECK(heap->alloc(kM * 30) != nullptr);
  check_held(heap);
  heap->free(live);
}

TEST_CASE("free memory on both sides of what was given back is one again before memory is called short") {
  TestHeap::Setup setup = pages_of(kMiB * 2);
  setup.backing.window = kMiB * 64;
  const TestHeap heap(setup);
  std::vector<void*> all;
  for (unsigned i = 0; i < 31; ++i) all.push_back(heap->alloc(kM * 2));
  void* const last = heap->alloc(kM * 2);
  heap->free(all[10]);
  CHECK(heap->trim() == kMiB * 2);
  heap->free(all[9]);
  heap->free(all[11]);
  void* const p = heap->alloc(kM * 6);
  CHECK(p == all[9]);
  check_held(heap);
  heap->free(last);
}

TEST_CASE("pages whose addresses were told: large ones have others when they come back, small ones stay") {
  for (const Bytes page : {kMiB * 2, kKiB * 4}) {
    TestHeap heap(pages_of(page == kMiB * 2 ? page : kKiB * 64, page));
    std::uint64_t generation = 0;
    heap.backing.set_iova([&](std::size_t n) { return Iova{n * page.rep + FakeBacking::kFirstIova + generation}; });
    void* const live = heap->alloc(kM * 2);
    const Iova told = heap->iova_of(live);
    heap->trim();
    CHECK((heap.backing.discarded().rep != 0) == (page == kMiB * 2));
    generation = std::uint64_t{1} << 45;
    auto* const p = static_cast<std::byte*>(heap->alloc(kM * 20));
    REQUIRE(p != nullptr);
    CHECK(heap->iova_of(live) == told);
    if (page == kMiB * 2) {
      CHECK(heap->iova_of(p) == heap.backing.expected_iova(p));
      CHECK(heap->iova_of(p + kM * 17) == heap.backing.expected_iova(p + kM * 17));
    }
    check_held(heap);
  }
}

TEST_CASE("the first question for an address brings the region's pages back") {
  TestHeap heap(pages_of(kKiB * 64));
  void* const live = heap->alloc(kM * 2);
  heap->trim();
  CHECK(heap.backing.discarded().rep != 0);
  CHECK(heap->iova_of(live) == heap.backing.expected_iova(live));
  CHECK(heap.backing.discarded() == Bytes{});
  heap->trim();
  CHECK(heap.backing.discarded() == Bytes{});
  check_held(heap);
}

TEST_CASE("while somebody listens memory comes and goes in whole regions") {
  TestHeap heap(pages_of(kKiB * 64));
  void* const live = heap->alloc(kM * 2);
  heap->trim();
  REQUIRE(heap.backing.discarded().rep != 0);
  std::vector<Bytes> came;
  MemoryListener listener;
  listener.name = "test";
  listener.context = &came;
  listener.came = [](const MemoryEvent& memory, void* context) {
    static_cast<std::vector<Bytes>*>(context)->push_back(memory.size);
    std::memset(memory.base, 0, kM * 2);  // all of it can be used, what had been given back too
    std::memset(static_cast<std::byte*>(memory.base) + memory.size.rep - kM, 0, kM);
    return Error{};
  };
  heap.backing.refuse_restores(true);
  CHECK(heap->add_listener(listener).code == ErrorCode::kNoMemory);
  CHECK(came.empty());
  heap.backing.refuse_restores(false);
  REQUIRE(heap->add_listener(listener).ok());
  CHECK(came.size() == 1);
  CHECK(heap.backing.discarded() == Bytes{});
  heap->trim();
  CHECK(heap.backing.discarded() == Bytes{});
  REQUIRE(heap->remove_listener("test").ok());
  heap->trim();
  CHECK(heap.backing.discarded().rep != 0);
  check_held(heap);
  heap->free(live);
}

TEST_CASE("threads allocate while others trim") {
  const TestHeap heap(pages_of(kKiB * 64));
  std::atomic<bool> stop{false};
  const auto churn = [&](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::pair<std::byte*, std::size_t>> live;
    for (unsigned step = 0; step < 3000; ++step) {
      const std::size_t size = random() % 3 == 0 ? kMaxSize + random() % (kM * 2) : 64 + random() % 60'000;
      auto* const p = static_cast<std::byte*>(heap->alloc_with(size, 0, random() % 2 != 0 ? kZero : 0));
      REQUIRE(p != nullptr);
      p[0] = p[size - 1] = static_cast<std::byte>(seed);
      live.emplace_back(p, size);
      if (live.size() < 30) continue;
      std::swap(live[random() % live.size()], live.back());
      const auto [old, n] = live.back();
      CHECK((old[0] == static_cast<std::byte>(seed) && old[n - 1] == old[0]));
      heap->free(old);
      live.pop_back();
    }
    for (const auto& [p, n] : live) heap->free(p);
  };
  std::thread trimmer([&] {
    while (!stop) heap->trim();
  });
  std::thread one(churn, 1);
  std::thread two(churn, 2);
  one.join();
  two.join();
  stop = true;
  trimmer.join();
  check_held(heap);
  heap->trim();
  CHECK(heap->stats().backing == Bytes{});
}

}  // namespace
}  // namespace fastmem::core
