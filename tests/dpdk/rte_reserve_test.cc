// SPDX-License-Identifier: BSD-3-Clause
// rte_fastmem_reserve() and rte_fastmem_set_limit(): how many memzones, how many bytes, and how exactly a limit holds.
#include <rte_malloc.h>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

constexpr std::size_t kLarge = 256 * 1024;
constexpr std::size_t kRegionMost = 128 * kOneMiB;

unsigned zones() { return memzones_named("fastmem"); }

// Asked before a heap takes anything: whether there is room for two regions of any size in one piece.
bool whole_regions() { return eal_has_run_of(kMiB * 144); }

TEST_CASE("no region is taken at init, nor by looking") {
  const Initialised heap;
  CHECK(zones() == 0);
  rte_fastmem_handle_t handle;
  CHECK(rte_fastmem_hlookup(64, 0, SOCKET_ID_ANY, &handle) == 0);
  rte_fastmem_cache_flush();
  CHECK(totals().bytes_backing == 0);
  CHECK(rte_fastmem_virt2iova(&handle) == RTE_BAD_IOVA);
  CHECK(rte_fastmem_set_limit(SOCKET_ID_ANY, kRegionMost) == 0);
  CHECK(rte_fastmem_reserve(0, SOCKET_ID_ANY) == 0);
  CHECK(zones() == 0);
}

TEST_CASE("reserve(1) takes exactly one memzone, and again takes none") {
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(1, SOCKET_ID_ANY) == 0);
  CHECK(zones() == 1);
  CHECK(totals().bytes_backing > 0);
  REQUIRE(rte_fastmem_reserve(1, SOCKET_ID_ANY) == 0);
  REQUIRE(rte_fastmem_reserve(1, first_socket_id()) == 0);
  CHECK(zones() == 1);
}

TEST_CASE("reserving 128 MiB and one byte takes two memzones") {
  const bool whole = whole_regions();
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(kRegionMost + 1, first_socket_id()) == 0);
  CHECK(zones() >= 2);
  if (whole) CHECK(zones() == 2);
  CHECK(totals().bytes_backing >= kRegionMost + 1);
}

TEST_CASE("reserve is of the total, not of more") {
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(kRegionMost, first_socket_id()) == 0);
  const std::uint64_t held = totals().bytes_backing;
  const unsigned before = zones();
  CHECK(held >= kRegionMost);
  REQUIRE(rte_fastmem_reserve(kRegionMost, first_socket_id()) == 0);
  REQUIRE(rte_fastmem_reserve(kRegionMost / 2, SOCKET_ID_ANY) == 0);
  CHECK(totals().bytes_backing == held);
  CHECK(zones() == before);
}

TEST_CASE("what was reserved is enough: the objects that fit take no memzone") {
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(64 * kOneMiB, SOCKET_ID_ANY) == 0);
  const unsigned before = zones();
  std::vector<void*> objects = take(48 * kOneMiB / kLarge, kLarge);
  CHECK(zones() == before);
  give(objects);
}

TEST_CASE("memory in use counts as reserved") {
  const Initialised heap;
  std::vector<void*> objects = take(100, kLarge);
  const std::uint64_t held = totals().bytes_backing;
  REQUIRE(rte_fastmem_reserve(held, SOCKET_ID_ANY) == 0);
  CHECK(totals().bytes_backing == held);
  give(objects);
}

TEST_CASE("a reserve that EAL cannot serve is -ENOMEM; what is there goes on") {
  const Initialised heap;
  void* const p = rte_fastmem_alloc(64, 0, 0);
  CHECK(rte_fastmem_reserve(SIZE_MAX, SOCKET_ID_ANY) == -ENOMEM);
  CHECK(rte_fastmem_reserve(SIZE_MAX / 2 + 1, first_socket_id()) == -ENOMEM);
  CHECK(rte_fastmem_reserve(std::size_t{1} << 46, first_socket_id()) == -ENOMEM);
  rte_fastmem_free(p);
  CHECK(rte_fastmem_alloc(64, 0, 0) != nullptr);
}

TEST_CASE("under a limit of 128 MiB, reserve(128 MiB) succeeds, and more than 400 but fewer than 512 of 256 KiB fit") {
  const bool whole = whole_regions();
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, kRegionMost) == 0);
  CHECK(rte_fastmem_reserve(kRegionMost, first_socket_id()) == 0);
  if (whole) CHECK(rte_fastmem_reserve(kRegionMost + 1, first_socket_id()) == -ENOMEM);
  if (whole) CHECK(zones() == 1);
  std::vector<void*> objects = take_all(kLarge);
  CHECK(objects.size() > 400);
  CHECK(objects.size() < 512);
  give(objects);
}

TEST_CASE("the same when memory comes as it is needed") {
  const bool whole = whole_regions();
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(first_socket_id(), kRegionMost) == 0);
  std::vector<void*> objects = take_all(kLarge);
  CHECK(objects.size() > 400);
  CHECK(objects.size() < 512);
  if (whole) CHECK(rte_fastmem_alloc(8, 8, 0) == nullptr);
  rte_fastmem_free(objects.back());
  objects.back() = rte_fastmem_alloc(kLarge, 0, 0);
  CHECK(objects.back() != nullptr);
  give(objects);
}

// Objects of one MiB that fit under the limit: never as many as the limit has MiB.
TEST_CASE("a limit finer than a region holds, to the byte, and is of use") {
  for (const std::size_t limit : {5 * kOneMiB, 5 * kOneMiB + 1, 7 * kOneMiB - 1, 33 * kOneMiB + 12345}) {
    CAPTURE(limit);
    const Initialised heap;
    REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, limit) == 0);
    CHECK(rte_fastmem_get_limit(SOCKET_ID_ANY) == limit);
    std::vector<void*> objects = take_all(kLarge);
    CHECK(objects.size() * kLarge <= limit);
    CHECK(objects.size() * kLarge + 4 * kOneMiB >= limit);
    give(objects);
  }
}

TEST_CASE("a tiny limit: nothing, and no harm") {
  for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{65536}}) {
    CAPTURE(limit);
    const Initialised heap;
    REQUIRE(rte_fastmem_set_limit(first_socket_id(), limit) == 0);
    CHECK(rte_fastmem_get_limit(first_socket_id()) == limit);
    rte_errno = 0;
    CHECK(rte_fastmem_alloc(kOneMiB, 0, 0) == nullptr);
    CHECK(rte_errno == ENOMEM);
    CHECK(rte_fastmem_reserve(kOneMiB * 4, SOCKET_ID_ANY) == -ENOMEM);
  }
}

TEST_CASE("limit 0: no growth, but what is held is used; SIZE_MAX: growth again") {
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(8 * kOneMiB, SOCKET_ID_ANY) == 0);
  const std::uint64_t held = totals().bytes_backing;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, 0) == 0);
  CHECK(rte_fastmem_get_limit(first_socket_id()) == 0);
  rte_fastmem_free(rte_fastmem_alloc(64, 0, 0));
  std::vector<void*> objects = take_all(kLarge);
  CHECK(totals().bytes_backing == held);
  CHECK(rte_fastmem_reserve(held + 1, SOCKET_ID_ANY) == -ENOMEM);
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, SIZE_MAX) == 0);
  CHECK(rte_fastmem_get_limit(SOCKET_ID_ANY) == SIZE_MAX);
  void* const more = rte_fastmem_alloc(kLarge, 0, 0);  // at once: the limit's change is news
  CHECK(more != nullptr);
  CHECK(totals().bytes_backing > held);
  objects.push_back(more);
  give(objects);
}

TEST_CASE("a limit below what is held takes nothing away: live objects stay, and none grows") {
  const Initialised heap;
  std::vector<void*> objects = take(300, kLarge);
  for (void* const p : objects) std::memset(p, 0x11, kLarge);
  const std::uint64_t held = totals().bytes_backing;
  REQUIRE(rte_fastmem_set_limit(first_socket_id(), kOneMiB) == 0);
  CHECK(totals().bytes_backing == held);
  bool intact = true;
  for (void* const p : objects) intact = intact && all_bytes_are(p, 0x11, kLarge);
  CHECK(intact);
  std::vector<void*> rest = take_all(kLarge);
  CHECK(totals().bytes_backing == held);
  give(rest);
  give(objects);
}

TEST_CASE("a limit raised step by step gives memory step by step") {
  const Initialised heap;
  std::vector<void*> objects;
  for (std::size_t limit = 8 * kOneMiB; limit <= 64 * kOneMiB; limit += 8 * kOneMiB) {
    REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, limit) == 0);
    const std::size_t before = objects.size();
    for (void* const p : take_all(kLarge)) objects.push_back(p);
    CHECK(objects.size() > before);
    CHECK(objects.size() * kLarge <= limit);
  }
  give(objects);
}

TEST_CASE("every memzone goes back at deinit, and EAL's heap is as before") {
  rte_malloc_socket_stats before{};
  rte_malloc_get_socket_stats(first_socket_id(), &before);
  {
    const Initialised heap;
    REQUIRE(rte_fastmem_reserve(kRegionMost + 1, SOCKET_ID_ANY) == 0);
    take(1000, kLarge / 4);
  }
  rte_malloc_socket_stats after{};
  rte_malloc_get_socket_stats(first_socket_id(), &after);
  CHECK(after.heap_allocsz_bytes == before.heap_allocsz_bytes);
  CHECK(after.alloc_count == before.alloc_count);
}

TEST_CASE("slabs move between classes without growth once objects are freed and flushed") {
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(32 * kOneMiB, SOCKET_ID_ANY) == 0);
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, totals().bytes_backing) == 0);
  const unsigned held = zones();
  for (const std::size_t size : class_sizes()) {
    CAPTURE(size);
    std::vector<void*> objects = take_all(size, 8);
    CHECK(objects.size() * size >= 16 * kOneMiB);  // all but what books and slabs take
    give(objects);
    rte_fastmem_cache_flush();
    CHECK(of_class(size).slabs_full == 0);
    CHECK(of_class(size).slabs_partial == 0);
    CHECK(of_class(size).slab_acquires == of_class(size).slab_releases);
  }
  CHECK(zones() == held);
}

}  // namespace
}  // namespace fastmem::test
