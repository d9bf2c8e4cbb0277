// SPDX-License-Identifier: BSD-3-Clause
// Objects above the largest class: sizes, alignments, zeroes, realloc in place, contiguity, boundaries, and misuse.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <random>
#include <thread>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kM = kMiB.rep;

struct Large {
  static TestHeap::Setup setup(FakeBackingOptions backing, Bytes region) {
    TestHeap::Setup s;
    s.backing = std::move(backing);
    s.config.region_size = region;
    return s;
  }
  static FakeBackingOptions wide(Bytes page = kKiB * 4) {
    FakeBackingOptions o;
    o.window = sizeof(void*) == 8 ? kGiB * 4 : kMiB * 512;
    o.page_size = page;
    return o;
  }
  explicit Large(const FakeBackingOptions& backing = wide(), Bytes region = kMiB * 4) : heap(setup(backing, region)) {}

  void check(std::size_t objects, std::size_t bytes) const {
    heap->check_invariants();
    const HeapStats s = heap->stats();
    CHECK(s.allocs - s.frees == objects);
    CHECK(s.in_use == Bytes{bytes});
    CHECK(s.backing == heap.backing.held() - heap.backing.discarded());
    const NodeStats n = heap->node_stats(node(0)).value();
    CHECK(n.backing == n.slabs + n.free);
  }
  TestHeap heap;
};

bool crosses(const void* p, std::size_t size, std::size_t boundary) {
  const auto at = reinterpret_cast<std::uintptr_t>(p);
  return at / boundary != (at + size - 1) / boundary;
}

TEST_CASE("from a byte above the largest class to more than a region") {
  Large large;
  Heap& heap = *large.heap.heap;
  for (const std::size_t size : {kMaxSize + 1, kM * 2, kM * 3 + 1, kM * 4, kM * 5 + 12345, kM * 64, kM * 1500}) {
    if (size > heap.largest() / 2) continue;  // 32-bit addresses
    INFO(size);
    auto* const p = static_cast<std::byte*>(heap.alloc(size));
    REQUIRE(p != nullptr);
    p[0] = p[size - 1] = std::byte{1};
    CHECK(heap.usable_size(p) >= size);
    CHECK(heap.usable_size(p) < size + kGranule);
    CHECK(heap.usable_size(p + 1) == 0);
    CHECK(heap.usable_size(p + kGranule) == 0);
    large.check(1, heap.usable_size(p));
    CHECK(heap.free(p) == ErrorCode::kOk);
    large.check(0, 0);
  }
  CHECK(heap.trim().rep != 0);
  CHECK(large.heap.backing.held() == Bytes{});
}

TEST_CASE("any power of two is an alignment, up to the region size and beyond") {
  for (const bool aligns : {false, true}) {
    FakeBackingOptions backing = Large::wide();
    backing.aligns = aligns;
    Large large(backing);
    for (std::size_t align = 16; align <= large.heap->largest() / 8; align *= 2) {
      for (const std::size_t size : {std::size_t{1}, std::size_t{100'000}, kM + 1, kM * 9}) {
        INFO(align, " ", size);
        void* const p = large.heap->alloc_with(size, align, 0);
        REQUIRE(p != nullptr);
        CHECK(aligned(p, align));
        CHECK(large.heap->free(p) == ErrorCode::kOk);
      }
    }
    large.heap->trim();
    // Where the backing aligns, nothing is taken to find an aligned run in.
    void* const p = large.heap->alloc_with(1, kM * 256, 0);
    CHECK(aligned(p, kM * 256));
    CHECK((large.heap.backing.held() < kMiB * 8) == aligns);
    large.heap->free(p);
  }
}

TEST_CASE("zeroed: every byte, of fresh, of used, of dirty memory and of such that was given back in between") {
  for (const bool dirty : {false, true}) {
    FakeBackingOptions backing = Large::wide();
    backing.dirty = dirty;
    backing.discard_unit = kKiB * 64;
    Large large(backing);
    Heap& heap = *large.heap.heap;
    std::mt19937 random(7);
    std::vector<std::pair<std::byte*, std::size_t>> live;
    for (unsigned step = 0; step < 300; ++step) {
      const std::size_t size = kMaxSize + 1 + random() % (kM * 3);
      auto* const p = static_cast<std::byte*>(heap.alloc_with(size, 0, kZero));
      REQUIRE(p != nullptr);
      CHECK(all_bytes(p, size, 0));
      std::memset(p, 0xaa, heap.usable_size(p));
      live.emplace_back(p, size);
      if (live.size() > 12) {
        std::swap(live[random() % live.size()], live.back());
        CHECK(all_bytes(live.back().first, live.back().second, 0xaa));
        CHECK(heap.free(live.back().first) == ErrorCode::kOk);
        live.pop_back();
      }
      if (step % 40 == 39) heap.trim();
      heap.check_invariants();
    }
    for (const auto& [p, size] : live) heap.free(p);
    large.check(0, 0);
  }
}

TEST_CASE("zeroing does not touch memory that reads 0 already") {
  Large large;
  // A region of which nobody had anything: its pages must not become present.
  void* const p = large.heap->alloc_with(kM * 64, 0, kZero);
  REQUIRE(p != nullptr);
  std::vector<unsigned char> present(kM * 64 / 4096);
  REQUIRE(mincore(p, kM * 64, present.data()) == 0);
  std::size_t pages = 0;
  for (const unsigned char page : present) pages += page & 1;
  CHECK(pages == 0);
  large.heap->free(p);
}

TEST_CASE("realloc grows into the free neighbour, shrinks out of the tail, and moves where it must") {
  Large large;
  Heap& heap = *large.heap.heap;
  REQUIRE(heap.reserve(kMiB * 4, kAnyNode).ok());
  auto* p = static_cast<std::byte*>(heap.alloc(kM + 1));
  std::memset(p, 0x5a, kM + 1);
  CHECK(heap.realloc(p, kM * 2, 0) == p);
  CHECK(all_bytes(p, kM + 1, 0x5a));
  CHECK(heap.realloc(p, kM * 2 - 5, 0) == p);
  large.check(1, kM * 2);
  CHECK(heap.realloc(p, kM + 1, 0) == p);
  large.check(1, kM + kGranule);
  void* const barrier = heap.alloc(kM + 1);
  REQUIRE(barrier == p + kM + kGranule);
  auto* const moved = static_cast<std::byte*>(heap.realloc(p, kM * 3, 0));
  CHECK(moved != p);
  CHECK(all_bytes(moved, kM + 1, 0x5a));
  CHECK(heap.usable_size(p) == 0);
  // To a class and back.
  auto* const small = static_cast<std::byte*>(heap.realloc(moved, 5000, 0));
  CHECK(all_bytes(small, 5000, 0x5a));
  CHECK(heap.usable_size(small) < 8192);
  auto* const again = static_cast<std::byte*>(heap.realloc(small, kM * 7, 0));
  CHECK(all_bytes(again, 5000, 0x5a));
  auto* const apart = static_cast<std::byte*>(heap.realloc(again, kM * 7, kM * 16));
  CHECK(aligned(apart, kM * 16));
  CHECK(all_bytes(apart, 5000, 0x5a));
  CHECK(heap.realloc(apart, heap.largest(), 0) == nullptr);  // more than there is: the old one stays
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(all_bytes(apart, 5000, 0x5a));
  heap.free(apart);
  heap.free(barrier);
  large.check(0, 0);
}

TEST_CASE("misuse of large objects is noticed at once") {
  Large large;
  Heap& heap = *large.heap.heap;
  auto* const p = static_cast<std::byte*>(heap.alloc(kM * 2));
  CHECK(heap.free(p + 16) == ErrorCode::kForeignPointer);
  CHECK(heap.free(p + kGranule) == ErrorCode::kForeignPointer);
  CHECK(heap.free_sized(p, kM * 2) == ErrorCode::kOk);
  CHECK(heap.free(p) == ErrorCode::kForeignPointer);
  CHECK(heap.realloc(p, 16, 0) == nullptr);
  CHECK(heap.stats().misuses == 4);
  large.check(0, 0);
}

TEST_CASE("of two threads that free the same object one succeeds") {
  Large large;
  Heap& heap = *large.heap.heap;
  for (unsigned round = 0; round < 200; ++round) {
    void* const p = heap.alloc(kM + 1);
    std::atomic<unsigned> freed{0};
    std::atomic<unsigned> ready{0};
    const auto run = [&] {
      ++ready;
      while (ready < 2) {
      }
      freed += heap.free(p) == ErrorCode::kOk ? 1u : 0u;
    };
    std::thread other(run);
    run();
    other.join();
    CHECK(freed == 1);
  }
  large.check(0, 0);
}

TEST_CASE("many at once: all, or none and the array untouched") {
  FakeBackingOptions backing = Large::wide();
  backing.window = kMiB * 64;
  Large large(backing);
  std::vector<void*> ptrs(600, nullptr);
  CHECK(large.heap->alloc_bulk(ptrs.data(), 30, kM + 1, 0, kZero, kAnyNode) == ErrorCode::kOk);
  for (unsigned i = 0; i < 30; ++i) CHECK(all_bytes(ptrs[i], kM + 1, 0));
  large.check(30, 30 * (kM + kGranule));
  void* untouched[600];
  std::fill(std::begin(untouched), std::end(untouched), &untouched);
  CHECK(large.heap->alloc_bulk(untouched, 600, kM + 1, 0, 0, kAnyNode) == ErrorCode::kNoMemory);
  for (void* const p : untouched) CHECK(p == &untouched);
  CHECK(large.heap->free_bulk(ptrs.data(), 600) == ErrorCode::kOk);  // NULLs among them
  large.check(0, 0);
}

TEST_CASE("no object crosses the boundary it was asked with") {
  Large large;
  Heap& heap = *large.heap.heap;
  std::vector<void*> live;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{100}, std::size_t{4097}, std::size_t{70'000}, kM - 1, kM + 1, kM * 3, kM * 5}) {
    for (const std::size_t boundary : {std::bit_ceil(size), std::bit_ceil(size) * 2, kM * 32}) {
      for (unsigned i = 0; i < 5; ++i) {
        void* const p = heap.alloc({.size = size, .boundary = boundary});
        INFO(size, " ", boundary);
        REQUIRE(p != nullptr);
        CHECK_FALSE(crosses(p, size, boundary));
        live.push_back(p);
      }
    }
  }
  heap.check_invariants();
  for (void* const p : live) CHECK(heap.free(p) == ErrorCode::kOk);
  large.check(0, 0);
  for (const std::size_t boundary : {std::size_t{3}, std::size_t{64}}) {
    CHECK(heap.alloc({.size = 100, .boundary = boundary}) == nullptr);
    CHECK(last_error().code == ErrorCode::kInvalid);
  }
}

// Pages of 2 MiB of which only some neighbours are neighbours in IOVA space, too.
Iova broken_every(std::size_t page, std::size_t run) {
  return Iova{(page / run * (run + 1) + page % run) * kMiB.rep * 2 + FakeBacking::kFirstIova};
}

TEST_CASE("contiguous in IOVA space: found page by page among scattered ones") {
  Large large(Large::wide(kMiB * 2), kMiB * 64);
  large.heap.backing.set_iova([](std::size_t page) { return broken_every(page, 3); });
  large.heap.backing.give_contiguous(false);  // only what is held already
  Heap& heap = *large.heap.heap;
  REQUIRE(heap.reserve(kMiB * 64, kAnyNode).ok());
  std::vector<void*> live;
  for (;;) {
    void* const p = heap.alloc({.size = kM * 5, .flags = kContiguous});
    if (p == nullptr) break;
    CHECK(heap.iova_contiguous(p, Bytes{kM * 5}).value());
    std::memset(p, 1, kM * 5);
    live.push_back(p);
  }
  CHECK(last_error().code == ErrorCode::kNoMemory);
  CHECK(std::string(last_error().text).find("contiguous") != std::string::npos);
  CHECK(live.size() == 10);  // a run of 6 MiB holds one
  heap.check_invariants();
  void* const longer = heap.alloc(kM * 3);  // not contiguous: there is memory
  CHECK(longer != nullptr);
  heap.free(longer);
  for (void* const p : live) heap.free(p);
  CHECK(heap.alloc({.size = kM * 7, .flags = kContiguous}) == nullptr);
  // The backing has a run of its own.
  large.heap.backing.give_contiguous(true);
  large.heap.backing.set_iova({});
  void* const p = heap.alloc({.size = kM * 7, .align = kM * 2, .flags = kContiguous | kZero});
  REQUIRE(p != nullptr);
  CHECK(heap.iova_contiguous(p, Bytes{kM * 7}).value());
  CHECK(all_bytes(p, kM * 7, 0));
  heap.free(p);
}

TEST_CASE("contiguous and small: in one page, or checked") {
  Large large;
  large.heap.backing.set_iova([](std::size_t page) { return Iova{page * 2 * 4096 + FakeBacking::kFirstIova}; });
  large.heap.backing.give_contiguous(false);
  Heap& heap = *large.heap.heap;
  std::vector<void*> live;
  for (const std::size_t size : {1, 100, 1500, 3000, 4096}) {
    for (unsigned i = 0; i < 40; ++i) {
      live.push_back(heap.alloc({.size = size, .flags = kContiguous}));
      REQUIRE(live.back() != nullptr);
      CHECK(heap.iova_contiguous(live.back(), Bytes{size}).value());
    }
  }
  CHECK(heap.alloc({.size = 4097, .flags = kContiguous}) == nullptr);  // no two pages are neighbours
  CHECK(last_error().code == ErrorCode::kNoMemory);
  void* two[2] = {};
  CHECK(heap.alloc_bulk(two, 2, 64, 0, kContiguous, kAnyNode) == ErrorCode::kOk);
  heap.free_bulk(two, 2);
  for (void* const p : live) heap.free(p);
  large.check(0, 0);
}

TEST_CASE("contiguous where IOVAs cannot be told is refused with the reason") {
  Large large;
  large.heap.backing.refuse_iova(ErrorCode::kPermission);
  CHECK(large.heap->alloc({.size = kM * 2, .flags = kContiguous}) == nullptr);
  CHECK(last_error().code == ErrorCode::kPermission);
  CHECK(large.heap->alloc({.size = 10'000, .flags = kContiguous}) == nullptr);
  CHECK(last_error().code == ErrorCode::kPermission);
  large.check(0, 0);
}

TEST_CASE("a contiguous object crosses its boundary in neither space") {
  Large large(Large::wide(kMiB * 2));
  large.heap.backing.set_iova(
      [](std::size_t page) { return Iova{(page * 2 + 1) * kMiB.rep + FakeBacking::kFirstIova}; });
  void* const p = large.heap->alloc({.size = kM * 3, .boundary = kM * 4, .flags = kContiguous});
  REQUIRE(p != nullptr);
  const std::uint64_t iova = large.heap->iova_of(p).rep;
  CHECK_FALSE(crosses(p, kM * 3, kM * 4));
  CHECK(iova / (kM * 4) == (iova + kM * 3 - 1) / (kM * 4));
  large.heap->free(p);
}

TEST_CASE("a failing request for much does not keep small objects from growing") {
  FakeBackingOptions backing = Large::wide();
  backing.window = kMiB * 64;
  Large large(backing);
  CHECK(large.heap->alloc(100) != nullptr);
  for (unsigned i = 0; i < 10; ++i) CHECK(large.heap->alloc(kM * 62) == nullptr);
  for (unsigned i = 0; i < 40; ++i) CHECK(large.heap->alloc(kMaxSize) != nullptr);
}

TEST_CASE("other nodes serve large objects, too, unless asked to be strict") {
  TestHeap::Setup setup;
  setup.backing.window = kGiB;
  setup.nodes = {0, 1};
  const TestHeap heap(setup);
  heap->set_limit(kMiB * 8, node(0));
  void* const own = heap->alloc_with(kM * 3, 0, kStrict, node(0));
  REQUIRE(own != nullptr);
  CHECK(heap.backing.node_of(own) == node(0));
  CHECK(heap->alloc_with(kM * 6, 0, kStrict, node(0)) == nullptr);
  void* const other = heap->alloc_with(kM * 6, 0, 0, node(0));
  REQUIRE(other != nullptr);
  CHECK(heap.backing.node_of(other) == node(1));
  CHECK(heap->stats().elsewhere == 1);
  heap->free(other);
  heap->set_total_limit(kMiB * 5);
  CHECK(heap->alloc(kM * 3) == nullptr);
  CHECK(heap->alloc(kMaxSize) != nullptr);
}

}  // namespace
}  // namespace fastmem::core
