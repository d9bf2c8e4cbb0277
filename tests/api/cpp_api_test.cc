// SPDX-License-Identifier: BSD-3-Clause
// Does every function of fastmem.hpp do what it says, and return its error values?
#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <fastmem.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "platform/machine_topology.h"
#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

Config small() {
  Config config;
  config.pages = PageKind::kSmall;
  config.iova = IovaMode::kNone;
  config.region_size = kMiB * 2;
  config.address_space = kMiB * 256;
  return config;
}

Heap make(const Config& config = small()) {
  Result<Heap> heap = Heap::create(config);
  REQUIRE_MESSAGE(heap.ok(), std::string(heap.ok() ? "" : heap.error().text));
  return std::move(heap.value());
}

NodeId some_node() { return machine_topology().nodes().front().id; }
bool says(const char* text, const std::string& part) { return std::string(text).find(part) != std::string::npos; }

static_assert(!std::is_copy_constructible_v<Heap> && !std::is_copy_assignable_v<Heap>);
static_assert(std::is_nothrow_move_constructible_v<Heap> && std::is_nothrow_move_assignable_v<Heap>);
static_assert(std::is_trivially_copyable_v<Handle>);

TEST_CASE("objects by size") {
  Heap heap = make();
  for (std::size_t size = 1; size <= kMaxSize; size += 1 + size / 4) {
    void* const p = heap.alloc(size);
    REQUIRE(p != nullptr);
    CHECK(heap.usable_size(p) >= size);
    std::memset(p, 1, size);
    CHECK((size % 2 == 0 ? heap.free(p) : heap.free(p, size)) == ErrorCode::kOk);
  }
  auto* const z = static_cast<char*>(heap.alloc(5000, 64, kZero | kStrict, some_node()));
  REQUIRE(z != nullptr);
  bool zero = true;
  for (int i = 0; i < 5000; ++i) zero &= z[i] == 0;
  CHECK(zero);
  CHECK(reinterpret_cast<std::uintptr_t>(z) % 64 == 0);
  CHECK(heap.free(z) == ErrorCode::kOk);
  CHECK(heap.free(nullptr) == ErrorCode::kOk);
  CHECK(heap.free(nullptr, 10) == ErrorCode::kOk);
  heap.check_invariants();
}

TEST_CASE("errors are values, with a sentence in last_error()") {
  Heap heap = make();
  const auto fails = [](const void* p, ErrorCode code) { return p == nullptr && last_error().code == code; };
  CHECK(fails(heap.alloc(0), ErrorCode::kInvalid));
  CHECK(fails(heap.alloc(heap.largest() + 1), ErrorCode::kTooBig));
  CHECK(fails(heap.alloc(~std::size_t{0}), ErrorCode::kTooBig));
  CHECK(fails(heap.alloc(16, 3), ErrorCode::kInvalid));
  CHECK(fails(heap.alloc(16, heap.largest() * 2), ErrorCode::kTooBig));
  CHECK(fails(heap.alloc(16, 0, 0x80), ErrorCode::kInvalid));
  CHECK(fails(heap.alloc(16, 0, 0, NodeId{4000}), ErrorCode::kNoNode));
  CHECK(says(last_error().text, "node 4000"));
  CHECK(fails(heap.alloc(Handle{}), ErrorCode::kInvalid));
  CHECK(fails(heap.alloc(Handle{}, kZero), ErrorCode::kInvalid));
  CHECK(heap.free(Handle{}, &heap) == ErrorCode::kInvalid);
  CHECK(heap.handle(0).code() == ErrorCode::kInvalid);
  CHECK(heap.handle(16, 5).code() == ErrorCode::kInvalid);
  CHECK(heap.handle(kMaxSize + 1).code() == ErrorCode::kTooBig);
  CHECK(heap.handle(16, 0, NodeId{4000}).code() == ErrorCode::kNoNode);
  std::array<void*, 3> three{};
  CHECK(heap.alloc_bulk(three, 0) == ErrorCode::kInvalid);
  CHECK(heap.alloc_bulk(three, 16, 0, 0, NodeId{4000}) == ErrorCode::kNoNode);
  CHECK(heap.alloc_bulk(Handle{}, three) == ErrorCode::kInvalid);
  CHECK(heap.free_bulk(Handle{}, three) == ErrorCode::kInvalid);
  CHECK(heap.reserve(kMiB, NodeId{4000}).code == ErrorCode::kNoNode);
  CHECK(heap.set_limit(kMiB, NodeId{4000}).code == ErrorCode::kNoNode);
  CHECK(heap.limit(NodeId{4000}).code() == ErrorCode::kNoNode);
  CHECK(heap.node_stats(NodeId{4000}).code() == ErrorCode::kNoNode);
  CHECK(heap.class_stats(17).code() == ErrorCode::kInvalid);
  CHECK(heap.slot_stats(100000).code() == ErrorCode::kInvalid);
  CHECK(heap.slot_class_stats(0, 17).code() == ErrorCode::kInvalid);
  CHECK(heap.virt_to_iova(&heap) == kBadIova);
  CHECK(last_error().code == ErrorCode::kForeignPointer);
  CHECK(heap.iova_contiguous(&heap, 8).code() == ErrorCode::kForeignPointer);
  CHECK(heap.set_limit(Bytes{0}).ok());
  CHECK(fails(heap.alloc(16), ErrorCode::kNoMemory));
  CHECK(heap.alloc_bulk(three, 16) == ErrorCode::kNoMemory);
  CHECK(heap.reserve(kMiB).code == ErrorCode::kNoMemory);
  CHECK(three[0] == nullptr);
}

TEST_CASE("configurations that cannot be") {
  const auto code = [](auto change) {
    Config config = small();
    change(config);
    return Heap::create(config).code();
  };
  CHECK(code([](Config& c) { c.default_align = 8; }) == ErrorCode::kInvalid);
  CHECK(code([](Config& c) { c.default_align = 96; }) == ErrorCode::kInvalid);
  CHECK(code([](Config& c) { c.region_size = Bytes{0}; }) == ErrorCode::kInvalid);
  CHECK(code([](Config& c) { c.pages = static_cast<PageKind>(9); }) == ErrorCode::kInvalid);
  CHECK(code([](Config& c) { c.iova = static_cast<IovaMode>(9); }) == ErrorCode::kInvalid);
}

TEST_CASE("bulks and handles") {
  Heap heap = make();
  std::vector<void*> objects(777);
  REQUIRE(heap.alloc_bulk(objects, 300, 128, kZero) == ErrorCode::kOk);
  CHECK(heap.class_stats(heap.usable_size(objects[0])).value().in_use == 777);
  CHECK(heap.free_bulk(objects) == ErrorCode::kOk);
  const Result<Handle> handle = heap.handle(300, 128, some_node());
  REQUIRE(handle.ok());
  const Handle h = handle.value();
  REQUIRE(heap.alloc_bulk(h, objects) == ErrorCode::kOk);
  CHECK(heap.free_bulk(h, objects) == ErrorCode::kOk);
  auto* const p = static_cast<char*>(heap.alloc(h));
  REQUIRE(p != nullptr);
  *p = 1;
  CHECK(heap.free(h, p) == ErrorCode::kOk);
  auto* const q = static_cast<char*>(heap.alloc(h, kZero));
  CHECK(q == p);
  CHECK(*q == 0);
  CHECK(heap.free(h, q) == ErrorCode::kOk);
  CHECK(heap.stats().in_use == Bytes{0});
  CHECK(heap.stats().allocs == 2 * 777 + 2);
}

TEST_CASE("realloc keeps contents, and the object where it fails") {
  Heap heap = make();
  auto* p = static_cast<char*>(heap.realloc(nullptr, 10));
  REQUIRE(p != nullptr);
  std::memcpy(p, "123456789", 10);
  p = static_cast<char*>(heap.realloc(p, 40000, 4096));
  REQUIRE(p != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(p) % 4096 == 0);
  CHECK(heap.realloc(p, heap.largest() + 1) == nullptr);
  CHECK(std::string(p) == "123456789");
  CHECK(heap.realloc(p, 0) == nullptr);
  CHECK(heap.stats().in_use == Bytes{0});
}

TEST_CASE("memory held: reserve, limit, flush, trim") {
  Heap heap = make();
  REQUIRE(heap.reserve(kMiB * 9).ok());
  CHECK(heap.stats().backing >= kMiB * 9);
  CHECK(heap.node_stats(some_node()).value().backing == heap.stats().backing);
  CHECK(heap.set_limit(Bytes{12345678}).ok());
  CHECK(heap.limit(some_node()).value() == Bytes{12345678});
  void* const p = heap.alloc(100);
  heap.free(p);
  CHECK(heap.class_stats(heap.class_size(0)).ok());
  CHECK(heap.stats().cached > Bytes{0});
  heap.flush();
  CHECK(heap.slot_stats(thread_slot().rep).value().cached == 0);
  const Bytes held = heap.stats().backing;
  CHECK(heap.trim() == held);
  CHECK(heap.stats().backing == Bytes{0});
}

TEST_CASE("classes by index") {
  Heap heap = make();
  REQUIRE(heap.classes() == heap.stats().classes);
  for (unsigned i = 0; i < heap.classes(); ++i) {
    CHECK(heap.class_stats(heap.class_size(i)).value().size == heap.class_size(i));
    if (i > 0) CHECK(heap.class_size(i) > heap.class_size(i - 1));
  }
  CHECK(heap.class_size(heap.classes() - 1) == kMaxSize);
}

TEST_CASE("a heap moves with its objects, and leaves nothing behind") {
  Heap first = make();
  void* const p = first.alloc(100);
  Heap second = std::move(first);
  CHECK(second.usable_size(p) >= 100);
  Heap third = make();
  void* const q = third.alloc(50);
  third = std::move(second);
  CHECK(third.usable_size(p) >= 100);
  CHECK(third.usable_size(q) == 0);
  CHECK(third.free(p) == ErrorCode::kOk);
}

TEST_CASE("the default heap is one for C++ and for C") {
  const fastmem_config_t config = test::small_config();
  REQUIRE(fastmem_init(&config) == 0);
  Heap* const heap = Heap::default_heap();
  REQUIRE(heap != nullptr);
  CHECK(Heap::default_heap() == heap);
  void* const p = heap->alloc(33);
  REQUIRE(p != nullptr);
  CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(fastmem_usable_size(fastmem_alloc(40, 0, 0)) == heap->usable_size(heap->alloc(40)));
}

TEST_CASE("resetting the statistics") {
  Heap heap = make();
  void* const p = heap.alloc(1000);
  heap.reset_stats();
  CHECK(heap.stats().allocs == 0);
  CHECK(heap.stats().in_use >= Bytes{1000});
  heap.free(p);
  CHECK(heap.stats().frees == 1);
  CHECK(heap.stats().in_use == Bytes{0});
}

}  // namespace
}  // namespace fastmem
