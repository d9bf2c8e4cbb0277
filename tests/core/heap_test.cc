// SPDX-License-Identifier: BSD-3-Clause
// A heap from the outside: what create refuses, every class and alignment, arguments, several heaps at once.
#include "core/heap.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

TestHeap::Setup with_profile(Profile profile, std::size_t default_align = 16) {
  TestHeap::Setup setup;
  setup.config.profile = profile;
  setup.config.default_align = default_align;
  return setup;
}

TEST_CASE("create says what is wrong with a configuration") {
  FakeBacking backing;
  const FakeTopology topology(std::vector<unsigned>{0});
  HeapConfig good;
  good.backing = &backing;
  good.topology = &topology;
  const auto refused = [&](auto change, const char* part) {
    HeapConfig config = good;
    change(config);
    const Result<Heap*> made = Heap::create(config);
    CHECK(made.code() == ErrorCode::kInvalid);
    if (!made.ok()) CHECK(std::string(made.error().text).find(part) != std::string::npos);
    if (made.ok()) made.value()->destroy();
  };
  refused([](HeapConfig& c) { c.backing = nullptr; }, "backing");
  refused([](HeapConfig& c) { c.topology = nullptr; }, "topology");
  for (const std::size_t align : {std::size_t{0}, std::size_t{8}, std::size_t{24}, std::size_t{8192}, kNever}) {
    refused([align](HeapConfig& c) { c.default_align = align; }, "alignment");
  }
  refused([](HeapConfig& c) { c.region_size = Bytes{}; }, "region size");
  if (sizeof(void*) == 8) refused([](HeapConfig& c) { c.region_size = kGiB * 1025; }, "region size");
  refused([](HeapConfig& c) { c.region_size = kUnlimited; }, "region size");
  refused([](HeapConfig& c) { c.first_region = Bytes{}; }, "region size");
  refused([](HeapConfig& c) { c.first_region = kUnlimited; }, "region size");
  const FakeTopology nowhere(std::vector<unsigned>{});
  refused([&](HeapConfig& c) { c.topology = &nowhere; }, "topology");
  std::vector<unsigned> many(kMaxNodes + 1);
  for (unsigned i = 0; i < many.size(); ++i) many[i] = i;
  const FakeTopology crowd(many);
  refused([&](HeapConfig& c) { c.topology = &crowd; }, "topology");
}

TEST_CASE("an owned backing goes with the heap, and when there is no heap") {
  static unsigned gone;
  struct Counted : FakeBacking {
    ~Counted() override { ++gone; }
  };
  gone = 0;
  const FakeTopology topology(std::vector<unsigned>{0});
  HeapConfig config;
  config.topology = &topology;
  config.owns_backing = true;
  config.backing = new Counted;
  Result<Heap*> made = Heap::create(config);
  REQUIRE(made.ok());
  CHECK(made.value()->alloc(100) != nullptr);
  made.value()->destroy();
  CHECK(gone == 1);
  config.backing = new Counted;
  config.default_align = 3;
  CHECK_FALSE(Heap::create(config).ok());
  CHECK(gone == 2);
}

TEST_CASE("the absent heap refuses everything") {
  CHECK(Heap::absent.is_absent());
  CHECK(Heap::absent.alloc(16) == nullptr);
  CHECK(last_error().code == ErrorCode::kNotReady);
  int outside = 0;
  CHECK(Heap::absent.free(&outside) == ErrorCode::kNotReady);
  CHECK(Heap::absent.free(nullptr) == ErrorCode::kOk);
  const TestHeap heap;
  CHECK_FALSE(heap->is_absent());
  CHECK(Heap::absent.alloc(16) == nullptr);
}

TEST_CASE("every class: allocate, fill, check, free; objects of a power of two are aligned to their size") {
  for (const Profile profile : {Profile::kFine, Profile::kRfc}) {
    const TestHeap heap(with_profile(profile));
    for (unsigned c = 1; c <= heap->classes().count; ++c) {
      const SizeClass& size_class = heap->classes().classes[c];
      INFO(size_class.size);
      const std::size_t n = size_class.size >= 64 * kKiB.rep ? 9 : 200;  // several magazines, several slabs
      std::vector<void*> all;
      for (std::size_t i = 0; i < n; ++i) {
        void* const p = heap->alloc_with(size_class.size, std::min<std::size_t>(size_class.align, 8), 0);
        REQUIRE(p != nullptr);
        CHECK(heap->usable_size(p) == size_class.size);
        CHECK(aligned(p, size_class.align));
        if (is_power_of_two(size_class.size)) CHECK(aligned(p, size_class.size));
        std::memset(p, static_cast<int>(i), size_class.size);
        all.push_back(p);
      }
      std::size_t changed = 0;
      for (std::size_t i = 0; i < n; ++i) {
        changed += all_bytes(all[i], size_class.size, static_cast<unsigned char>(i)) ? 0 : 1;
      }
      CHECK(changed == 0);
      for (void* const p : all) CHECK(heap->free(p) == ErrorCode::kOk);
    }
    heap.check_laws(0);
  }
}

TEST_CASE("every size from 1 to 4096, and its neighbours at every doubling") {
  for (const std::size_t align : {16, 64, 4096}) {
    const TestHeap heap(with_profile(Profile::kFine, align));
    std::vector<std::size_t> sizes;
    for (std::size_t size = 1; size <= 4096; ++size) sizes.push_back(size);
    for (std::size_t size = 8192; size <= kMaxSize; size *= 2) sizes.insert(sizes.end(), {size - 1, size, size + 1});
    sizes.pop_back();
    for (const std::size_t size : sizes) {
      void* const p = heap->alloc(size);
      REQUIRE(p != nullptr);
      REQUIRE(heap->usable_size(p) >= size);
      REQUIRE(aligned(p, align));
      std::memset(p, 0xee, heap->usable_size(p));
      REQUIRE((size % 2 == 0 ? heap->free(p) : heap->free_sized(p, size)) == ErrorCode::kOk);
    }
    heap.check_laws(0);
    CHECK(heap->stats().misuses == 0);
  }
}

TEST_CASE("alignments from 1 to 1 MiB") {
  const TestHeap heap;
  for (std::size_t align = 1; align <= kMaxSize; align *= 2) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{3000}, std::size_t{70'000}, align}) {
      INFO(align, " ", size);
      void* const p = heap->alloc_with(size, align, 0);
      REQUIRE(p != nullptr);
      CHECK(aligned(p, align));
      CHECK(heap->usable_size(p) >= size);
      CHECK(heap->free(p) == ErrorCode::kOk);
    }
  }
}

TEST_CASE("arguments that no heap accepts") {
  const TestHeap heap;
  const auto refused = [&](std::size_t size, std::size_t align, unsigned flags, NodeId on, ErrorCode code) {
    INFO(size, " ", align, " ", flags);
    CHECK(heap->alloc_with(size, align, flags, on) == nullptr);
    CHECK(last_error().code == code);
    void* untouched = &untouched;
    CHECK(heap->alloc_bulk(&untouched, 1, size, align, flags, on) == code);
    CHECK(untouched == &untouched);
    if (flags == 0) CHECK(heap->handle(size, align, on).code() == code);
  };
  refused(0, 0, 0, kAnyNode, ErrorCode::kInvalid);
  for (const std::size_t align : {std::size_t{3}, std::size_t{48}, kNever}) {
    refused(16, align, 0, kAnyNode, ErrorCode::kInvalid);
  }
  refused(16, 0, 16, kAnyNode, ErrorCode::kInvalid);
  refused(16, 0, ~0u, kAnyNode, ErrorCode::kInvalid);
  for (const std::size_t size : {heap->largest() + 1, kNever - 15, kNever}) {
    refused(size, 0, 0, kAnyNode, ErrorCode::kTooBig);
  }
  CHECK(heap->handle(kMaxSize + 1, 0, kAnyNode).code() == ErrorCode::kTooBig);
  CHECK(heap->handle(16, kMaxSize * 2, kAnyNode).code() == ErrorCode::kTooBig);
  refused(16, heap->largest() * 2, 0, kAnyNode, ErrorCode::kTooBig);
  refused(16, kNever / 2 + 1, 0, kAnyNode, ErrorCode::kTooBig);
  refused(16, 0, 0, node(9), ErrorCode::kNoNode);
  CHECK(heap->alloc(0) == nullptr);
  CHECK(last_error().code == ErrorCode::kInvalid);
  for (const std::size_t size : {heap->largest() + 1, kNever}) {
    CHECK(heap->alloc(size) == nullptr);
    CHECK(last_error().code == ErrorCode::kTooBig);
  }
  CHECK(heap->free(nullptr) == ErrorCode::kOk);
  CHECK(heap->usable_size(nullptr) == 0);
  CHECK(heap->usable_size(&heap) == 0);
  CHECK(heap.backing.reserves() == 0);  // none of it took memory
}

TEST_CASE("zeroed objects read zero for every byte asked, also used ones and dirty fresh ones") {
  TestHeap::Setup setup;
  setup.backing.dirty = true;
  const TestHeap heap(setup);
  for (const std::size_t size : {1, 16, 100, 5000, 300'000}) {
    Result<Handle> handle = heap->handle(size, 0, kAnyNode);
    REQUIRE(handle.ok());
    for (unsigned round = 0; round < 3; ++round) {
      void* p = heap->alloc_with(size, 0, kZero);
      REQUIRE(p != nullptr);
      CHECK(all_bytes(p, size, 0));
      std::memset(p, 0xff, heap->usable_size(p));
      CHECK(heap->free(p) == ErrorCode::kOk);
      p = heap->alloc_with(*handle, kZero);
      REQUIRE(p != nullptr);
      CHECK(all_bytes(p, heap->usable_size(p), 0));
      std::memset(p, 0xff, heap->usable_size(p));
      CHECK(heap->free(p) == ErrorCode::kOk);
    }
  }
}

TEST_CASE("several heaps do not know each other") {
  const TestHeap one;
  const TestHeap other(with_profile(Profile::kRfc));
  void* const p = one->alloc(40);
  void* const q = other->alloc(40);
  CHECK(one->usable_size(p) == 48);
  CHECK(other->usable_size(q) == 64);
  CHECK(one->usable_size(q) == 0);
  CHECK(other->usable_size(p) == 0);
  CHECK(one->free(p) == ErrorCode::kOk);
  CHECK(other->free(q) == ErrorCode::kOk);
  CHECK(one->stats().allocs == 1);
  CHECK(other->stats().allocs == 1);
}

TEST_CASE("heaps come and go while threads live on") {
  for (unsigned round = 0; round < 50; ++round) {
    const TestHeap heap;
    std::vector<void*> all;
    for (unsigned i = 0; i < 300; ++i) all.push_back(heap->alloc(1 + i * 13));
    for (unsigned i = 0; i < 200; ++i) heap->free(all[i]);
    std::thread([&] {
      for (unsigned i = 200; i < 300; ++i) heap->free(all[i]);
    }).join();
    heap.check_laws(0);
  }
}

}  // namespace
}  // namespace fastmem::core
