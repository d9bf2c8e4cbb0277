// SPDX-License-Identifier: BSD-3-Clause
// tests/core/test_heap.h: a heap over a fake backing, made and taken down with the object.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/heap.h"
#include "tests/core/fake_topology.h"
#include "tests/support/fake_backing.h"

namespace fastmem::core {

using test::FakeBacking;
using test::FakeBackingOptions;

inline NodeId node(unsigned id) { return NodeId{static_cast<std::uint16_t>(id)}; }

class TestHeap {
 public:
  struct Setup {
    FakeBackingOptions backing = {};
    std::vector<unsigned> nodes = {0};
    FakeTopology::Distance distance = nullptr;
    HeapConfig config = small_regions();
    bool starts_small = false;  // else the first region is as large as all others

    static HeapConfig small_regions() {
      HeapConfig config;
      config.region_size = kMiB * 4;
      return config;
    }
  };

  TestHeap() : TestHeap(Setup{}) {}
  explicit TestHeap(const Setup& setup) : backing(setup.backing), topology(setup.nodes, setup.distance) {
    HeapConfig config = setup.config;
    if (!setup.starts_small) config.first_region = config.region_size;
    config.backing = &backing;
    config.topology = &topology;
    const Result<Heap*> made = Heap::create(config);
    REQUIRE_MESSAGE(made.ok(), std::string(made.ok() ? "" : made.error().text));
    heap = made.value();
  }
  TestHeap(const TestHeap&) = delete;
  TestHeap& operator=(const TestHeap&) = delete;
  ~TestHeap() { heap->destroy(); }

  Heap* operator->() const { return heap; }

  // The laws of core/stats.h while no other thread is inside, and how many objects there are.
  void check_laws(std::size_t objects_in_use) const {
    heap->check_invariants();
    const HeapStats s = heap->stats();
    std::uint64_t in_use = 0;
    Bytes in_use_bytes;
    for (unsigned c = 1; c <= heap->classes().count; ++c) {
      auto k = heap->class_stats(heap->classes().classes[c].size);
      REQUIRE(k.ok());
      CHECK((k->slabs_empty + k->slabs_partial + k->slabs_full) * k->objects_per_slab ==
            k->in_use + k->cached + k->free_in_slabs);
      CHECK(k->slab_acquires - k->slab_releases == k->slabs_empty + k->slabs_partial + k->slabs_full);
      in_use += k->in_use;
      in_use_bytes += Bytes{k->size} * static_cast<std::size_t>(k->in_use);
    }
    CHECK(in_use == objects_in_use);
    CHECK(s.in_use == in_use_bytes);
    CHECK(s.in_use + s.cached <= s.slabs);
    CHECK(s.slabs <= s.backing);
    CHECK(s.backing == backing.held());
    CHECK(s.regions == backing.regions());
  }

  FakeBacking backing;
  FakeTopology topology;
  Heap* heap = nullptr;
};

inline bool all_bytes(const void* p, std::size_t n, unsigned char value) {
  const auto* const bytes = static_cast<const unsigned char*>(p);
  return n == 0 || (bytes[0] == value && std::memcmp(bytes, bytes + 1, n - 1) == 0);
}

inline bool aligned(const void* p, std::size_t align) { return reinterpret_cast<std::uintptr_t>(p) % align == 0; }

}  // namespace fastmem::core
