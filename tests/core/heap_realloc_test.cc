// SPDX-License-Identifier: BSD-3-Clause
// realloc: contents kept, in place where the class allows it, the old object untouched when there is no new one.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

TEST_CASE("from every class to every class: the common part stays") {
  for (const Profile profile : {Profile::kFine, Profile::kRfc}) {
    TestHeap::Setup setup;
    setup.config.profile = profile;
    const TestHeap heap(setup);
    const SizeClasses& all = heap->classes();
    for (unsigned from = 1; from <= all.count; from += 2) {
      for (unsigned to = 1; to <= all.count; to += 3) {
        const std::size_t old_size = all.classes[from].size;
        const std::size_t new_size = all.classes[to].size - 1;
        void* const p = heap->alloc(old_size);
        REQUIRE(p != nullptr);
        std::memset(p, 0x77, old_size);
        void* const q = heap->realloc(p, new_size, 0);
        REQUIRE(q != nullptr);
        REQUIRE(heap->usable_size(q) >= new_size);
        REQUIRE(all_bytes(q, std::min(old_size, new_size), 0x77));
        REQUIRE(heap->free(q) == ErrorCode::kOk);
      }
    }
    heap.check_laws(0);
  }
}

TEST_CASE("it stays where it is within its class, and a sized free may rely on the last size") {
  const TestHeap heap;
  void* const p = heap->alloc(1000);  // class 1024
  CHECK(heap->realloc(p, 1024, 0) == p);
  CHECK(heap->realloc(p, 961, 0) == p);
  void* const less = heap->realloc(p, 960, 0);
  CHECK(less != p);
  CHECK(heap->usable_size(less) == 960);
  CHECK(heap->free_sized(less, 960) == ErrorCode::kOk);
  heap->flush();
  CHECK(heap->stats().misuses == 0);
  void* const smaller = heap->realloc(heap->alloc(1000), 100, 0);
  CHECK(smaller != p);
  CHECK(heap->usable_size(smaller) == 112);
  CHECK(heap->free(smaller) == ErrorCode::kOk);
}

TEST_CASE("as C's: nullptr allocates, size 0 frees") {
  const TestHeap heap;
  void* const p = heap->realloc(nullptr, 100, 256);
  REQUIRE(p != nullptr);
  CHECK(aligned(p, 256));
  CHECK(heap->realloc(p, 0, 0) == nullptr);
  heap.check_laws(0);
}

TEST_CASE("a larger alignment moves it when it must") {
  const TestHeap heap;
  void* p = heap->alloc(48);
  for (std::size_t align = 16; align <= 65536; align *= 2) {
    std::memset(p, 0x11, 48);
    p = heap->realloc(p, 48, align);
    REQUIRE(p != nullptr);
    CHECK(aligned(p, align));
    CHECK(all_bytes(p, 48, 0x11));
  }
  CHECK(heap->free(p) == ErrorCode::kOk);
  heap.check_laws(0);
}

TEST_CASE("bad arguments and no memory leave the old object") {
  TestHeap::Setup setup;
  setup.config.region_size = kMiB * 2;
  TestHeap heap(setup);
  heap.backing.cap(node(0), kMiB * 2);
  void* const p = heap->alloc(100);
  std::memset(p, 0x42, 100);
  const auto refused = [&](std::size_t size, std::size_t align, ErrorCode code) {
    CHECK(heap->realloc(p, size, align) == nullptr);
    CHECK(last_error().code == code);
    CHECK(all_bytes(p, 100, 0x42));
    CHECK(heap->usable_size(p) == 112);
  };
  refused(heap->largest() + 1, 0, ErrorCode::kTooBig);
  refused(100, 3, ErrorCode::kInvalid);
  std::size_t others = 0;
  while (heap->alloc(kMaxSize) != nullptr) ++others;
  refused(kMaxSize, 0, ErrorCode::kNoMemory);
  heap.check_laws(1 + others);
}

}  // namespace
}  // namespace fastmem::core
