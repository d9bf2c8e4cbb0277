// SPDX-License-Identifier: BSD-3-Clause
// Heap::check(): what it looks at, that it finds nothing where nothing is wrong, whoever runs meanwhile, and each kind of
// damage done on purpose.
#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "core/heap_state.h"
#include "tests/core/test_heap.h"

namespace fastmem::core {
namespace {

// A heap with something in every part: slabs full, partial and empty, caches, magazines, a depot, large objects.
struct UsedHeap {
  UsedHeap() : UsedHeap(TestHeap::Setup{}) {}
  explicit UsedHeap(const TestHeap::Setup& setup) : heap(setup) {
    for (const std::size_t size : {16u, 64u, 512u, 4096u, 70'000u}) {
      const std::size_t n = std::min<std::size_t>(3000, kMiB.rep / size);
      std::vector<void*> objects;
      for (std::size_t i = 0; i < n; ++i) objects.push_back(heap->alloc(size));
      for (std::size_t i = 0; i < n; ++i)
        i % 8 != 0 ? static_cast<void>(heap->free(objects[i])) : live.push_back(objects[i]);
    }
    for (const std::size_t size : {3'000'000u, 1'500'000u, 2'000'000u}) live.push_back(heap->alloc(size));
    heap->free(live[live.size() - 2]);
    live.erase(live.end() - 2);
    REQUIRE(std::find(live.begin(), live.end(), nullptr) == live.end());
  }
  ~UsedHeap() {
    for (void* const p : live) CHECK(heap->free(p) == ErrorCode::kOk);
  }

  HeapState& state() { return *heap->state_for_test(); }
  Bin& bin(std::size_t size) { return state().bins[class_of(Profile::kFine, size).rep]; }
  ExtentIndex granule(const void* p) { return static_cast<ExtentIndex>(state().map.granule_of(p)); }
  // The slab that a live object is in.
  Extent& slab_of(const void* p) { return state().extents[state().extents[granule(p)].head]; }
  void* live_of(std::size_t size) {
    const auto it = std::find_if(live.begin(), live.end(), [&](void* p) { return heap->usable_size(p) == size; });
    REQUIRE(it != live.end());
    return *it;
  }
  Slot& slot() { return *state().slots[thread_slot().rep].load(); }
  Cache& cache(std::size_t size) { return slot().caches()[class_of(Profile::kFine, size).rep]; }

  TestHeap heap;
  std::vector<void*> live;
};

bool says(const CheckReport& r, const char* what) {
  for (unsigned i = 0; i < r.told; ++i) {
    if (std::strcmp(r.first[i].what, what) == 0) return true;
  }
  for (unsigned i = 0; i < r.told; ++i) MESSAGE(std::string(r.first[i].what));
  return false;
}

// Other than `word` was, found and told as `what`; undone.
template <class T>
void damage(UsedHeap& used, T& word, T wrong, const char* what) {
  INFO(std::string(what));
  const std::size_t size = std::span(&word, 1).size_bytes();
  unsigned char before[16];
  REQUIRE(size <= sizeof(before));
  std::memcpy(before, static_cast<const void*>(&word), size);
  std::memcpy(static_cast<void*>(&word), static_cast<const void*>(&wrong), size);
  const CheckReport r = used.heap->check(true);
  std::memcpy(static_cast<void*>(&word), before, size);
  CHECK(says(r, what));
  CHECK(used.heap->check(true).ok());
}

}  // namespace

TEST_CASE("a new heap, an absent one and one in use: nothing is wrong, and all was looked at") {
  CHECK(Heap::absent.check(true).ok());
  TestHeap fresh;
  CHECK(fresh->check(true).ok());
  UsedHeap used;
  const CheckReport r = used.heap->check(true);
  for (unsigned i = 0; i < r.told; ++i) MESSAGE(std::string(r.first[i].what));
  CHECK(r.ok());
  CHECK(r.slabs > 5);
  CHECK(r.objects > 3000);
  CHECK(r.extents > r.slabs);
  CHECK(r.magazines > 5);
  CHECK(r.caches == 2 * kMaxClasses);  // the shared slot's and this thread's
  CHECK(r.map_entries == used.heap.backing.held().rep / kGranule);
  CHECK(r.regions == used.heap.backing.regions());
  CHECK(r.busy + r.running + r.unmarked == 0);
}

TEST_CASE("damage done to slabs is found") {
  UsedHeap used;
  void* const p = used.live_of(64);
  Extent& e = used.slab_of(p);
  damage(used, e.free, e.free + 1, "a slab's bitmap has not as many free objects as it says");
  damage(used, e.bitmap, e.bitmap + 1, "a slab's bitmap is not where one may be");
  damage(used, e.bitmap[0], e.bitmap[0] ^ 1, "a slab's bitmap has not as many free objects as it says");
  damage(used, e.hint, 100u, "a slab's hints are beyond its bitmap");
  damage(used, e.prev, ExtentIndex{3}, "a slab's link back is wrong");
  damage(used, e.next, ExtentIndex{1} << 31, "a bin's list leads out of the heap");
  damage(used, e.granules, e.granules + 1, "a slab has a wrong length");
  damage(used, e.head, ExtentIndex{77}, "a granule of a slab does not lead to its first one");
  damage(used, e.bin, BinId{1}, "what a bin lists is not its slab");
  damage(used, *static_cast<std::uint16_t*>(used.state().map.entries(used.granule(p))), std::uint16_t{4},
         "the map says another bin");
}

TEST_CASE("damage done to caches and magazines is found") {
  UsedHeap used;
  Cache& cache = used.cache(64);
  REQUIRE(cache.count() > 2);
  void** const top = cache.top();
  const char* const no_object = "what a magazine or cache holds is no object of its class";
  damage(used, top[-1], static_cast<void*>(static_cast<std::byte*>(top[-1]) + 8), no_object);
  damage(used, top[-1], used.live_of(512), no_object);
  damage(used, top[-1], static_cast<void*>(&used), no_object);
  damage(used, top[-1], top[-2], "an object is free twice");
  auto* const words = reinterpret_cast<std::uintptr_t*>(&cache);  // end, top, base, frees
  damage(used, words[1], words[1] + 1, "a cache's top is out of its magazine");
  damage(used, words[1], words[1] + 65536, "a cache's top is out of its magazine");
  damage(used, words[0], words[0] ^ (std::uintptr_t{1} << 28), "a cache points out of its magazine");
  damage(used, words[2], words[2] - 8, "a cache points out of its magazine");
  auto* const magazine = reinterpret_cast<Magazine*>(cache.base()) - 1;
  damage(used, magazine->capacity, std::uint16_t{3}, "a magazine has a wrong size");
  Cache& unused = used.cache(200);
  REQUIRE(unused.is_unloaded());
  damage(used, reinterpret_cast<std::uintptr_t*>(&unused)[0], std::uintptr_t{64},
         "a cache without a magazine is not empty");
}

TEST_CASE("damage done to free extents and to the tables is found") {
  UsedHeap used;
  HeapState& state = used.state();
  const ExtentIndex large = used.granule(used.live.back());
  Extent& behind = state.extents[large + state.extents[large].granules];
  REQUIRE(behind.kind == ExtentKind::kFree);
  damage(used, behind.granules, behind.granules - 1, "a region's extents do not lie side by side");
  damage(used, behind.clean, behind.granules + 1, "more of an extent is clean than there is");
  damage(used, behind.list, std::uint16_t{2}, "a free extent is in the list of another size");
  damage(used, state.extents[large].granules, state.extents[large].granules + 1,
         "a region's extents do not lie side by side");
  damage(used, *reinterpret_cast<ExtentKind*>(&state.extents[large].kind), ExtentKind::kAside,
         "a node has not as many large objects as it says");
  damage(used, *reinterpret_cast<std::uint16_t*>(&state.extents[large + 1].region), std::uint16_t{9},
         "a granule is of another region");
  damage(used, *static_cast<std::uint16_t*>(state.map.entries(large)), std::uint16_t{4},
         "the map says a bin where no slab is");
  damage(used, state.classes.classes[3].size, 56u, "the table of size classes is not what it was made");
  damage(used, state.header.magic, std::uint64_t{1}, "the books do not begin as books do");
  damage(used, state.bins, state.bins + 1, "a bin is not what it was made");
  damage(used, state.nodes, state.nodes + 100'000'000, "the heap's tables are not where they were made");
  damage(used, state.nodes[0].kin, 3u, "a node's neighbours are not what they were made");
  damage(used, state.regions[RegionNumber{1}].page_shift, 3u, "a region's pages are of no size");
  damage(used, state.regions[RegionNumber{1}].node, 3u, "a region is not in the heap");
  damage(used, *reinterpret_cast<std::size_t*>(&state.account.used), std::size_t{5},
         "the nodes have not as much in use as the heap says");
  REQUIRE(state.budget.take(Bytes{64}));
  CHECK(says(used.heap->check(true), "caches have not as much room as the heap says"));
  state.budget.give(Bytes{64});
  damage(used, *reinterpret_cast<Slot**>(&state.slots[0]), &used.slot(), "a slot is not what it was made");
}

TEST_CASE("a lock that is held: not looked at, or, with nobody inside, found") {
  UsedHeap used;
  Bin& bin = used.bin(64);
  std::atomic<bool> held{false};
  std::atomic<bool> over{false};
  std::thread holder([&] {
    bin.mutex().lock();
    held = true;
    while (!over) std::this_thread::yield();
    bin.mutex().unlock();
  });
  while (!held) std::this_thread::yield();
  const CheckReport some = used.heap->check();
  const CheckReport all = used.heap->check(true);
  over = true;
  holder.join();
  CHECK(some.ok());
  CHECK(some.busy > 0);
  CHECK(says(all, "a lock is held and nobody is inside"));
  CHECK(used.heap->check(true).ok());
}

TEST_CASE("objects at rest in a checked heap, and memory that came back, are looked at") {
  TestHeap::Setup setup;
  setup.config.checks.level = CheckLevel::kFull;
  UsedHeap used(setup);
  const CheckReport r = used.heap->check(true);
  for (unsigned i = 0; i < r.told; ++i) MESSAGE(std::string(r.first[i].what));
  CHECK(r.ok());
  used.heap->trim();
  CHECK(used.heap->check(true).ok());
}

TEST_CASE("hardened heaps are looked at as others") {
  TestHeap::Setup setup;
  REQUIRE(parse_hardening("all", setup.config.hardening).ok());
  UsedHeap used(setup);
  const CheckReport r = used.heap->check(true);
  for (unsigned i = 0; i < r.told; ++i) MESSAGE(std::string(r.first[i].what));
  CHECK(r.ok());
  CHECK(r.slabs > 5);
}

TEST_CASE("while threads allocate, free, trim and come and go, nothing wrong is found") {
  TestHeap::Setup setup;
  setup.backing.discard_unit = kKiB * 64;
  TestHeap heap(setup);
  std::atomic<bool> over{false};
  const auto run = [&](unsigned seed) {
    std::vector<void*> live;
    while (!over) {
      seed = seed * 1103515245 + 12345;
      const std::size_t size = seed >> 16 & 7 ? seed >> 20 : (seed >> 8) % 3'000'000;
      if (void* const p = heap->alloc(size + 1)) live.push_back(p);
      if (live.size() > 300 || seed >> 28 == 0) {
        for (void* const p : live) heap->free(p);
        live.clear();
      }
    }
    for (void* const p : live) heap->free(p);
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) threads.emplace_back(run, t * 77 + 1);
  for (unsigned i = 0; i < 300; ++i) {
    const CheckReport r = heap->check();
    for (unsigned k = 0; k < r.told; ++k) MESSAGE(std::string(r.first[k].what));
    REQUIRE(r.ok());
    if (i % 10 == 0) heap->trim();
  }
  over = true;
  for (std::thread& t : threads) t.join();
  CHECK(heap->check(true).ok());
}

}  // namespace fastmem::core
