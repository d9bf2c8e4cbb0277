// SPDX-License-Identifier: BSD-3-Clause
// What a device is told: addresses and runs of objects, across pages and regions.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kPage = 4096;

// Runs as the definition has them: page by page.
std::vector<IovaSegment> naive_segments(const TestHeap& heap, const void* p, std::size_t size) {
  std::vector<IovaSegment> runs;
  const auto* at = static_cast<const std::byte*>(p);
  while (size != 0) {
    const std::size_t step = std::min(size, kPage - reinterpret_cast<std::uintptr_t>(at) % kPage);
    const Iova iova = heap.backing.expected_iova(at);
    if (!runs.empty() && runs.back().iova.rep + runs.back().size.rep == iova.rep) {
      runs.back().size += Bytes{step};
    } else {
      runs.push_back({iova, Bytes{step}});
    }
    at += step;
    size -= step;
  }
  return runs;
}

void check_segments(TestHeap& heap, const void* p, std::size_t size) {
  const std::vector<IovaSegment> expected = naive_segments(heap, p, size);
  for (const std::size_t room : {std::size_t{0}, std::size_t{1}, expected.size() / 2, expected.size() + 3}) {
    const IovaSegment untouched{Iova{77}, Bytes{77}};
    std::vector<IovaSegment> out(room + 1, untouched);
    Result<std::size_t> runs = heap->iova_segments(p, Bytes{size}, {out.data(), room});
    REQUIRE(runs.ok());
    CHECK(*runs == expected.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const IovaSegment& want = i < room && i < expected.size() ? expected[i] : untouched;
      wrong += out[i].iova != want.iova || out[i].size != want.size ? 1 : 0;
    }
    CHECK(wrong == 0);
  }
  Result<bool> contiguous = heap->iova_contiguous(p, Bytes{size});
  REQUIRE(contiguous.ok());
  CHECK(*contiguous == (expected.size() <= 1));
}

TEST_CASE("one run: any object is contiguous") {
  TestHeap heap;
  for (const std::size_t size : {1, 100, 5000, 1'000'000}) {
    auto* const p = static_cast<std::byte*>(heap->alloc(size));
    REQUIRE(p != nullptr);
    CHECK(heap->iova_of(p) == heap.backing.expected_iova(p));
    CHECK(heap->iova_of(p + size - 1) == heap.backing.expected_iova(p + size - 1));
    check_segments(heap, p, size);
  }
  CHECK(heap.backing.iova_calls() == heap.backing.regions());
}

TEST_CASE("pages in any order: runs are counted and joined as the definition says") {
  const std::function<Iova(std::size_t)> layouts[] = {
      [](std::size_t p) { return Iova{(std::uint64_t{1} << 45) - p * kPage}; },                    // all backwards
      [](std::size_t p) { return Iova{(p / 3 * 7 + p % 3 + 1000) * kPage}; },                      // runs of three
      [](std::size_t p) { return Iova{(p ^ 1) * kPage + (std::size_t{1} << 30)}; },                // neighbours swapped
      [](std::size_t p) { return Iova{(p < 700 ? p : p + 5) * kPage + (std::size_t{1} << 30)}; },  // one gap
  };
  for (const auto& layout : layouts) {
    TestHeap heap;
    heap.backing.set_iova(layout);
    for (const std::size_t size : {64, 5000, 40'000, 1'000'000}) {
      for (unsigned i = 0; i < 5; ++i) {
        auto* const p = static_cast<std::byte*>(heap->alloc(size));
        REQUIRE(p != nullptr);
        CHECK(heap->iova_of(p) == heap.backing.expected_iova(p));
        check_segments(heap, p, size);
        check_segments(heap, p + size / 3, size / 2);
      }
    }
  }
}

TEST_CASE("a range over two regions that touch: joined where their IOVAs do") {
  for (const bool joined : {true, false}) {
    TestHeap::Setup setup;
    setup.config.region_size = kMiB * 2;
    TestHeap heap(setup);
    if (!joined) heap.backing.set_iova([](std::size_t p) { return Iova{(p + p / 512) * kPage + (1 << 30)}; });
    REQUIRE(heap->reserve(kMiB * 8, kAnyNode).ok());
    CHECK(heap.backing.regions() == 4);
    const auto* const base = static_cast<const std::byte*>(heap.backing.live().front().base);
    check_segments(heap, base + (kMiB.rep), (kMiB * 6).rep);
    Result<std::size_t> runs = heap->iova_segments(base, kMiB * 8, {});
    REQUIRE(runs.ok());
    CHECK(*runs == (joined ? 1 : 4));
  }
}

TEST_CASE("nothing to tell: not this heap's, past the last region, no bytes, and a backing that refuses") {
  TestHeap heap;
  void* const p = heap->alloc(100);
  REQUIRE(p != nullptr);
  CHECK(heap->iova_of(&heap) == kBadIova);
  CHECK(last_error().code == ErrorCode::kForeignPointer);
  CHECK(heap->iova_of(nullptr) == kBadIova);
  const Region region = heap.backing.region_of(p);
  auto* const end = static_cast<std::byte*>(region.base) + region.size.rep;
  CHECK(heap->iova_of(end - 1) != kBadIova);
  CHECK(heap->iova_of(end) == kBadIova);
  CHECK(heap->iova_segments(end - 10, Bytes{11}, {}).code() == ErrorCode::kForeignPointer);
  CHECK(heap->iova_segments(p, Bytes{0}, {}).value() == 0);
  CHECK(heap->iova_contiguous(p, Bytes{0}).value());

  TestHeap other;
  other.backing.refuse_iova(ErrorCode::kPermission);
  void* const q = other->alloc(100);
  CHECK(other->iova_of(q) == kBadIova);
  CHECK(last_error().code == ErrorCode::kPermission);
  CHECK(other->iova_segments(q, Bytes{10}, {}).code() == ErrorCode::kPermission);
  CHECK(other->iova_contiguous(q, Bytes{10}).code() == ErrorCode::kPermission);
  other.backing.refuse_iova(ErrorCode::kOk);
  CHECK(other->iova_of(q) == other.backing.expected_iova(q));
}

TEST_CASE("a region that comes again after a trim is asked anew") {
  TestHeap heap;
  void* p = heap->alloc(100);
  CHECK(heap->iova_of(p) == heap.backing.expected_iova(p));
  heap->free(p);
  heap->trim();
  CHECK(heap.backing.regions() == 0);
  heap.backing.set_iova([](std::size_t page) { return Iova{(std::uint64_t{1} << 45) - page * kPage}; });
  p = heap->alloc(100);
  CHECK(heap->iova_of(p) == heap.backing.expected_iova(p));
  CHECK(heap.backing.iova_calls() == 2);
}

}  // namespace
}  // namespace fastmem::core
