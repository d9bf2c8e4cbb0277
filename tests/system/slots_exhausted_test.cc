// SPDX-License-Identifier: BSD-3-Clause
// More threads alive at once than there are slots: do all of them work, and has the next thread a slot again?
#include <doctest/doctest.h>
#include <fastmem.h>
#include <pthread.h>

#include <atomic>
#include <barrier>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;

struct Shared {
  Shared(const CHeap& h, unsigned threads) : heap(h), all(static_cast<std::ptrdiff_t>(threads)), slots(threads) {}

  const CHeap& heap;
  std::barrier<> all;
  std::atomic<unsigned> wrong{0};
  std::atomic<unsigned> next{0};
  std::vector<unsigned> slots;
};

bool use_heap(const CHeap& heap, unsigned char mark) {
  void* objects[40] = {};
  if (fastmem_heap_alloc_bulk(heap, objects, 40, 100, 0, 0, FASTMEM_NODE_ANY) != 0) return false;
  for (void* const p : objects) std::memset(p, mark, 100);
  auto* const single = static_cast<unsigned char*>(heap.alloc(2000, 0, FASTMEM_ZERO));
  if (single == nullptr || single[1999] != 0) return false;
  bool right = true;
  for (void* const p : objects) right &= static_cast<unsigned char*>(p)[99] == mark;
  for (int i = 0; i < 20; ++i) right &= heap.free(objects[i]) == 0;
  right &= fastmem_heap_free_bulk(heap, objects + 20, 20) == 0;
  fastmem_flush(heap);
  return right && heap.free(single) == 0;
}

void* live(void* argument) {
  auto& shared = *static_cast<Shared*>(argument);
  const unsigned me = shared.next.fetch_add(1);
  shared.slots[me] = fastmem_slot();
  shared.all.arrive_and_wait();  // from here on all are alive and have the slot they will ever have
  for (int round = 0; round < 3; ++round) {
    if (!use_heap(shared.heap, static_cast<unsigned char>(me))) shared.wrong.fetch_add(1);
  }
  shared.all.arrive_and_wait();
  return nullptr;
}

TEST_CASE("every thread works, those without a slot share one") {
  const fastmem_config_t config = test::small_config();
  fastmem_init(&config);
  const CHeap heap;
  const unsigned threads = fastmem_max_slots() + 60;
  Shared shared(heap, threads);
  pthread_attr_t small;
  REQUIRE(pthread_attr_init(&small) == 0);
  REQUIRE(pthread_attr_setstacksize(&small, 256 * 1024) == 0);
  std::vector<pthread_t> ids(threads);
  for (pthread_t& id : ids) REQUIRE(pthread_create(&id, &small, live, &shared) == 0);
  for (const pthread_t id : ids) REQUIRE(pthread_join(id, nullptr) == 0);
  pthread_attr_destroy(&small);
  CHECK(shared.wrong == 0);

  std::multiset<unsigned> slots(shared.slots.begin(), shared.slots.end());
  CHECK(slots.count(0) >= 60);
  bool own = true;
  for (const unsigned slot : slots) own &= slot < fastmem_max_slots() && (slot == 0 || slots.count(slot) == 1);
  CHECK(own);
  CHECK(heap.stats().bytes_in_use == 0);
  CHECK(heap.stats().alloc_total == std::uint64_t{threads} * 3 * 41);
  CHECK(heap.stats().free_total == heap.stats().alloc_total);
  CHECK(heap.stats().misuse == 0);

  unsigned after = 0;
  pthread_t id;
  REQUIRE(pthread_create(
              &id, nullptr,
              [](void* slot) -> void* {
                *static_cast<unsigned*>(slot) = fastmem_slot();
                return nullptr;
              },
              &after) == 0);
  REQUIRE(pthread_join(id, nullptr) == 0);
  CHECK(after != 0);
  fastmem_trim(heap);
  CHECK(heap.stats().bytes_backing == 0);
}

}  // namespace
}  // namespace fastmem
