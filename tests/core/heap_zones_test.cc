// SPDX-License-Identifier: BSD-3-Clause
// Named zones: names, sizes from a byte to all there is, wishes, and two threads that want one name.
#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/zone_table.h"
#include "tests/core/test_heap.h"
#include "tests/core/workbench.h"

namespace fastmem::core {
namespace {

TestHeap::Setup large(Bytes region = kMiB * 16) {
  TestHeap::Setup setup;
  setup.config.region_size = region;
  setup.backing.window = kMiB * 512;
  return setup;
}

ErrorCode reserve(TestHeap& heap, const char* name, const Request& request, Zone* out = nullptr) {
  Zone zone;
  const Error error = heap->zone_reserve(name, request, zone);
  CHECK(error.ok() == (error.text[0] == '\0'));
  if (out != nullptr) *out = zone;
  return error.code;
}

std::vector<std::string> names(TestHeap& heap) {
  std::vector<std::string> all;
  heap->each_zone([&](const Zone& zone) { all.push_back(zone.name); });
  return all;
}

TEST_CASE("reserved, found, walked, freed") {
  TestHeap heap(large());
  Zone zone;
  for (const std::size_t size : {std::size_t{1}, std::size_t{5000}, std::size_t{1} << 20, std::size_t{5} << 20}) {
    const std::string name = "of " + std::to_string(size);
    REQUIRE(reserve(heap, name.c_str(), {.size = size, .flags = kZero}, &zone) == ErrorCode::kOk);
    CHECK(zone.name == name);
    CHECK(zone.size == Bytes{size});
    CHECK(aligned(zone.base, 64));
    CHECK(all_bytes(zone.base, size, 0));
    CHECK(zone.node == node(0));
    CHECK(zone.page_size == kKiB * 4);
    CHECK(zone.iova == kBadIova);
    CHECK(zone.flags == kZero);
    std::memset(zone.base, 1, size);
  }
  CHECK(names(heap) == std::vector<std::string>{"of 1", "of 5000", "of 1048576", "of 5242880"});
  CHECK(heap->zone("of 5242880").value().base == zone.base);
  CHECK(heap->zone("of 5242881").code() == ErrorCode::kNotFound);
  CHECK(heap->zone(nullptr).code() == ErrorCode::kNotFound);
  CHECK(heap->zone_free("of 5000").ok());
  CHECK(heap->zone_free("of 5000").code == ErrorCode::kNotFound);
  CHECK(heap->zone("of 5000").code() == ErrorCode::kNotFound);
  CHECK(reserve(heap, "again", {.size = 100}) == ErrorCode::kOk);  // into the place that is free
  CHECK(names(heap) == std::vector<std::string>{"of 1", "again", "of 1048576", "of 5242880"});
  // A visitor may call the heap.
  heap->each_zone([&](const Zone& z) { CHECK(heap->zone_free(z.name).ok()); });
  CHECK(names(heap).empty());
  CHECK(heap->stats().in_use == Bytes{0});
}

TEST_CASE("what is refused leaves no name behind") {
  TestHeap heap(large());
  CHECK(reserve(heap, "", {.size = 1}) == ErrorCode::kInvalid);
  CHECK(reserve(heap, nullptr, {.size = 1}) == ErrorCode::kInvalid);
  CHECK(reserve(heap, std::string(32, 'x').c_str(), {.size = 1}) == ErrorCode::kInvalid);
  CHECK(reserve(heap, std::string(31, 'x').c_str(), {.size = 1}) == ErrorCode::kOk);
  CHECK(reserve(heap, std::string(31, 'x').c_str(), {.size = 1}) == ErrorCode::kExists);
  CHECK(reserve(heap, "z", {.size = 1, .align = 3}) == ErrorCode::kInvalid);
  CHECK(reserve(heap, "z", {.size = 1, .flags = 1u << 20}) == ErrorCode::kInvalid);
  CHECK(reserve(heap, "z", {.size = 100, .boundary = 64}) == ErrorCode::kInvalid);
  CHECK(reserve(heap, "z", {.size = 1, .node = node(3)}) == ErrorCode::kNoNode);
  CHECK(reserve(heap, "z", {.size = ~std::size_t{0} / 4}) != ErrorCode::kOk);
  heap.backing.fail_always();
  CHECK(reserve(heap, "z", {.size = 32 << 20}) == ErrorCode::kNoMemory);
  heap.backing.fail_never();
  for (const std::size_t boundary : {3, 4096}) {
    CHECK(reserve(heap, "z", {.size = 0, .boundary = boundary}) == ErrorCode::kInvalid);
  }
  CHECK(reserve(heap, "z", {.size = 0, .align = 3}) == ErrorCode::kInvalid);
  CHECK(reserve(heap, "z", {.size = 0, .node = node(3)}) == ErrorCode::kNoNode);
  CHECK(names(heap).size() == 1);
  CHECK(reserve(heap, "z", {.size = 1}) == ErrorCode::kOk);
}

TEST_CASE("as many as there can be, and one more") {
  TestHeap heap;
  unsigned n = 0;
  ErrorCode code = ErrorCode::kOk;
  while (n <= kMostZones && (code = reserve(heap, std::to_string(n).c_str(), {.size = 1})) == ErrorCode::kOk) ++n;
  CHECK(n == kMostZones);
  CHECK(code == ErrorCode::kNoSpace);
  CHECK(heap->zone("4095").ok());
  CHECK(heap->zone_free("77").ok());
  CHECK(reserve(heap, "new", {.size = 1}) == ErrorCode::kOk);
  CHECK(names(heap)[77] == "new");
}

TEST_CASE("alignment, boundary and contiguity") {
  TestHeap heap(large());
  // Runs of 1 MiB in IOVA space.
  heap.backing.set_iova([](std::size_t page) { return Iova{(page + page / 256 * 512 + 1024) * 4096}; });
  Zone zone;
  REQUIRE(reserve(heap, "aligned", {.size = 100, .align = 4 << 20}, &zone) == ErrorCode::kOk);
  CHECK(aligned(zone.base, 4 << 20));
  for (unsigned i = 0; i < 5; ++i) {
    REQUIRE(reserve(heap, ("b" + std::to_string(i)).c_str(), {.size = 3 << 19, .boundary = 2 << 20}, &zone) ==
            ErrorCode::kOk);
    const auto at = reinterpret_cast<std::uintptr_t>(zone.base);
    CHECK(at / (2 << 20) == (at + (3 << 19) - 1) / (2 << 20));
  }
  REQUIRE(reserve(heap, "run", {.size = 1 << 20, .flags = kContiguous}, &zone) == ErrorCode::kOk);
  CHECK(heap->iova_contiguous(zone.base, kMiB).value());
  CHECK(zone.iova == heap->iova_of(zone.base));
  CHECK(reserve(heap, "no run", {.size = 2 << 20, .flags = kContiguous}) == ErrorCode::kNoMemory);
  CHECK(heap->zone("no run").code() == ErrorCode::kNotFound);
}

TEST_CASE("the largest: told, and reserved with size 0, without growing") {
  TestHeap heap(large());
  CHECK(heap->zone_largest(0, kAnyNode).value() == Bytes{0});
  CHECK(reserve(heap, "none", {.size = 0}) == ErrorCode::kNoMemory);
  CHECK(heap.backing.held() == Bytes{0});
  REQUIRE(heap->reserve(kMiB * 16, kAnyNode).ok());
  CHECK(heap->zone_largest(0, kAnyNode).value() == kMiB * 16);
  CHECK(heap->zone_largest(0, node(0)).value() == kMiB * 16);
  CHECK(heap->zone_largest(0, node(1)).code() == ErrorCode::kNoNode);
  CHECK(heap->zone_largest(48, kAnyNode).code() == ErrorCode::kInvalid);
  void* const p = heap->alloc(5 << 20);
  CHECK(heap->zone_largest(0, kAnyNode).value() == kMiB * 11);
  Zone zone;
  SUBCASE("whole") {
    REQUIRE(reserve(heap, "all", {.size = 0, .flags = kZero}, &zone) == ErrorCode::kOk);
    CHECK(zone.size == kMiB * 11);
    CHECK(all_bytes(zone.base, zone.size.rep, 0));
    CHECK(heap->zone_largest(0, kAnyNode).value() == Bytes{0});
    CHECK(heap->zone_free("all").ok());
    CHECK(heap->zone_largest(0, kAnyNode).value() == kMiB * 11);
  }
  SUBCASE("aligned") {
    const Bytes most = heap->zone_largest(8 << 20, kAnyNode).value();
    REQUIRE(reserve(heap, "all", {.size = 0, .align = 8 << 20}, &zone) == ErrorCode::kOk);
    CHECK(zone.size == most);
    CHECK(aligned(zone.base, 8 << 20));
  }
  SUBCASE("within a boundary") {
    REQUIRE(reserve(heap, "all", {.size = 0, .boundary = 4 << 20}, &zone) == ErrorCode::kOk);
    CHECK(zone.size == kMiB * 4);
    CHECK(aligned(zone.base, 4 << 20));
  }
  SUBCASE("in one run") {
    heap.backing.set_iova([](std::size_t page) { return Iova{(page + page / 512 * 512 + 1024) * 4096}; });
    REQUIRE(reserve(heap, "all", {.size = 0, .flags = kContiguous}, &zone) == ErrorCode::kOk);
    CHECK(zone.size == kMiB * 2);
    CHECK(heap->iova_contiguous(zone.base, zone.size).value());
  }
  CHECK(heap.backing.held() == kMiB * 16);
  CHECK(heap->free(p) == ErrorCode::kOk);
  heap->check_invariants();
}

TEST_CASE("of the node asked, or of another unless strict") {
  TestHeap::Setup setup = large();
  setup.nodes = {0, 1};
  TestHeap heap(setup);
  REQUIRE(heap->reserve(kMiB * 16, node(1)).ok());
  Zone zone;
  CHECK(reserve(heap, "z", {.size = 0, .flags = kStrict, .node = node(0)}) == ErrorCode::kNoMemory);
  CHECK(heap->zone_largest(0, node(0)).value() == Bytes{0});
  CHECK(heap->zone_largest(0, kAnyNode).value() == kMiB * 16);
  REQUIRE(reserve(heap, "z", {.size = 0, .node = node(0)}, &zone) == ErrorCode::kOk);
  CHECK(zone.node == node(1));
  REQUIRE(reserve(heap, "y", {.size = 3 << 20, .node = node(0)}, &zone) == ErrorCode::kOk);
  CHECK(zone.node == node(0));
  heap.backing.cap(node(0), kMiB * 16);
  CHECK(reserve(heap, "x", {.size = 15 << 20, .flags = kStrict, .node = node(0)}) == ErrorCode::kNoMemory);
  REQUIRE(reserve(heap, "x", {.size = 15 << 20, .node = node(0)}, &zone) == ErrorCode::kOk);
  CHECK(zone.node == node(1));
}

TEST_CASE("threads that want the same names: one has each") {
  TestHeap heap(large());
  std::atomic<unsigned> won{0};
  std::atomic<unsigned> lost{0};
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (unsigned i = 0; i < 200; ++i) {
        Zone zone;
        const Error error = heap->zone_reserve(std::to_string(i).c_str(), {.size = 1 + i * 1000}, zone);
        if (error.ok()) {
          ++won;
        } else if (error.code == ErrorCode::kExists) {
          ++lost;
        } else {
          ++wrong;
        }
        static_cast<void>(heap->zone(std::to_string(i).c_str()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(won == 200);
  CHECK(lost == 600);
  CHECK(wrong == 0);
  CHECK(names(heap).size() == 200);
}

TEST_CASE("the search for the largest is not counted") {
  TestHeap heap(large());
  REQUIRE(heap->reserve(kMiB * 16, kAnyNode).ok());
  void* const p = heap->alloc(5 << 20);
  heap.backing.set_iova([](std::size_t page) { return Iova{(page + page / 640 * 512 + 1024) * 4096}; });
  Zone zone;
  REQUIRE(reserve(heap, "all", {.size = 0, .flags = kContiguous}, &zone) == ErrorCode::kOk);
  CHECK(heap->memory_stats(kAnyNode)->large_objects == 2);
  CHECK(heap->memory_stats(kAnyNode)->large == kMiB * 5 + zone.size);
  CHECK(heap->stats().allocs == 2);
  CHECK(heap->stats().frees == 0);
  // No address inside of free memory passes for an object.
  CHECK(heap->zone_free("all").ok());
  CHECK(heap->free(p) == ErrorCode::kOk);
  std::size_t objects = 0;
  auto* const base = static_cast<std::byte*>(heap.backing.live()[0].base);
  for (std::size_t at = 0; at < (kMiB * 16).rep; at += kGranule) objects += heap->usable_size(base + at) != 0;
  CHECK(objects == 0);
  CHECK(heap->stats().in_use == Bytes{0});
  heap->check_invariants();
}

TEST_CASE("a name that a thread was about to use is free in the child of a fork, which has no such thread") {
  Memory books(kMiB * 4, false);
  Arena arena(books.get(), books.size());
  ZoneTable table(&arena);
  unsigned number = 0;
  REQUIRE(table.claim("there", number).ok());
  table.publish(number, {.name = "there"});
  REQUIRE(table.claim("claimed", number).ok());
  CHECK(table.claim("claimed", number).code == ErrorCode::kExists);
  table.forget_claims();
  CHECK(table.claim("claimed", number).ok());
  CHECK(table.claim("there", number).code == ErrorCode::kExists);
}

}  // namespace
}  // namespace fastmem::core
