// SPDX-License-Identifier: BSD-3-Clause
// rte_fastmem.h's statistics, one thread at a time: what is counted, whose it is, and the sums that must agree.
#include <random>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

struct Five {
  std::uint64_t alloc_hits = 0, alloc_misses = 0, nomem = 0, free_hits = 0, free_misses = 0;

  template <class Stats>
  void add(const Stats& s) {
    alloc_hits += s.alloc_cache_hits;
    alloc_misses += s.alloc_cache_misses;
    nomem += s.alloc_nomem;
    free_hits += s.free_cache_hits;
    free_misses += s.free_cache_misses;
  }
  bool operator==(const Five&) const = default;
};

// Every law that binds the six functions to each other; no thread may be inside.
void check_sums() {
  Five over_classes;
  Five over_lcores;
  std::uint64_t in_use_bytes = 0;
  for (const std::size_t size : class_sizes()) {
    const rte_fastmem_class_stats c = of_class(size);
    CHECK(c.class_size == size);
    over_classes.add(c);
    in_use_bytes += c.in_use * size;
    Five of_this;
    of_this.add(of_shared(size));
    CHECK(of_shared(size).class_size == size);
    for (unsigned lcore = 0; lcore < RTE_MAX_LCORE; ++lcore) of_this.add(of_lcore(lcore, size));
    Five told;
    told.add(c);
    CHECK(of_this == told);
  }
  over_lcores.add(of_shared());
  for (unsigned lcore = 0; lcore < RTE_MAX_LCORE; ++lcore) over_lcores.add(of_lcore(lcore));
  CHECK(over_lcores == over_classes);
  const struct rte_fastmem_stats t = totals();
  CHECK(t.alloc_total == over_classes.alloc_hits + over_classes.alloc_misses);
  CHECK(t.free_total == over_classes.free_hits + over_classes.free_misses);
  CHECK(t.alloc_nomem == over_classes.nomem);
  CHECK(t.bytes_in_use == in_use_bytes);
  CHECK(t.bytes_in_use <= t.bytes_backing);
}

TEST_CASE("each alloc and each free counts once, however it was asked") {
  const Initialised heap;
  rte_fastmem_handle_t handle;
  REQUIRE(rte_fastmem_hlookup(256, 0, first_socket_id(), &handle) == 0);
  std::uint64_t asked = 0;
  for (int round = 0; round < 50; ++round) {
    void* ptrs[35] = {rte_fastmem_alloc(200, 0, 0), rte_fastmem_alloc_socket(256, 64, 1, first_socket_id()),
                      rte_fastmem_halloc(handle, 0)};
    REQUIRE(rte_fastmem_alloc_bulk(ptrs + 3, 16, 256, 0, 0) == 0);
    REQUIRE(rte_fastmem_halloc_bulk(handle, ptrs + 19, 16, 0) == 0);
    asked += 35;
    CHECK(allocs(of_class(256)) == asked);
    CHECK(of_class(256).in_use == 35);
    rte_fastmem_free(ptrs[0]);
    rte_fastmem_hfree(handle, ptrs[1]);
    rte_fastmem_free_bulk(ptrs + 2, 17);
    rte_fastmem_hfree_bulk(handle, ptrs + 19, 16);
    CHECK(frees(of_class(256)) == asked);
    CHECK(of_class(256).in_use == 0);
  }
  CHECK(totals().alloc_total == asked);
  CHECK(totals().free_total == asked);
  check_sums();
}

TEST_CASE("a bulk of 32 counts 32") {
  const Initialised heap;
  void* ptrs[32];
  REQUIRE(rte_fastmem_alloc_bulk(ptrs, 32, 64, 0, 0) == 0);
  CHECK(allocs(of_class(64)) == 32);
  CHECK(of_class(64).in_use == 32);
  CHECK(totals().alloc_total == 32);
  rte_fastmem_free_bulk(ptrs, 32);
  CHECK(frees(of_class(64)) == 32);
  CHECK(totals().free_total == 32);
  CHECK(allocs(of_lcore(rte_lcore_id())) == 32);
}

TEST_CASE("NULLs and bulks of nothing count nothing") {
  const Initialised heap;
  void* none[2] = {nullptr, nullptr};
  rte_fastmem_free(nullptr);
  rte_fastmem_free_bulk(none, 2);
  CHECK(rte_fastmem_alloc_bulk(none, 0, 64, 0, 0) == 0);
  CHECK(rte_fastmem_realloc(nullptr, 0, 0) == nullptr);
  const struct rte_fastmem_stats t = totals();
  CHECK((t.alloc_total == 0 && t.free_total == 0 && t.alloc_nomem == 0));
}

TEST_CASE("a pair in a warm cache is a hit; the first of a class is a miss") {
  const Initialised heap;
  rte_fastmem_free(rte_fastmem_alloc(64, 0, 0));
  CHECK(of_class(64).alloc_cache_misses == 1);
  for (int i = 0; i < 1000; ++i) rte_fastmem_free(rte_fastmem_alloc(64, 0, 0));
  CHECK(of_class(64).alloc_cache_hits == 1000);
  CHECK(of_class(64).alloc_cache_misses == 1);
  CHECK(frees(of_class(64)) == 1001);
}

TEST_CASE("the sums of lcores and shared, of classes, and the totals agree after anything") {
  const Initialised heap;
  std::mt19937 random(3);
  for (int round = 0; round < 4; ++round) {
    const auto work = [&random] {
      std::vector<void*> live;
      for (int i = 0; i < 3000; ++i) {
        if (random() % 3 != 0) {
          live.push_back(rte_fastmem_alloc(1 + random() % (1u << (3 + random() % 12)), 8, 0));
        } else if (!live.empty()) {
          rte_fastmem_free(live.back());
          live.pop_back();
        }
      }
      give(live);
    };
    work();
    REQUIRE(on_worker_lcore(work));
    on_plain_thread(work);
    check_sums();
    CHECK(totals().bytes_in_use == 0);
    CHECK(totals().alloc_total == totals().free_total);
    rte_fastmem_cache_flush();
    check_sums();
  }
}

TEST_CASE("a failed allocation counts as nomem of its class and caller, and as nothing else") {
  const Initialised heap;
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, 0) == 0);
  for (int i = 1; i <= 5; ++i) {
    CHECK(rte_fastmem_alloc(64, 0, 0) == nullptr);
    CHECK(of_class(64).alloc_nomem == static_cast<std::uint64_t>(i));
  }
  REQUIRE(on_worker_lcore([] { CHECK(rte_fastmem_alloc(64, 0, 0) == nullptr); }));
  on_plain_thread([] { CHECK(rte_fastmem_alloc(128, 0, 0) == nullptr); });
  CHECK(of_lcore(rte_lcore_id()).alloc_nomem == 5);
  CHECK(of_lcore(rte_get_next_lcore(-1, 1, 0), 64).alloc_nomem == 1);
  CHECK(of_shared(128).alloc_nomem == 1);
  CHECK(totals().alloc_nomem == 7);
  CHECK(totals().alloc_total == 0);
  check_sums();
}

TEST_CASE("a flush keeps every counter and empties the caches") {
  const Initialised heap;
  std::vector<void*> objects = take(500, 64);
  give(objects);
  const rte_fastmem_class_stats before = of_class(64);
  const Five of_me_before = [] {
    Five f;
    f.add(of_lcore(rte_lcore_id()));
    return f;
  }();
  rte_fastmem_cache_flush();
  rte_fastmem_cache_flush();
  const rte_fastmem_class_stats after = of_class(64);
  CHECK(after.alloc_cache_hits == before.alloc_cache_hits);
  CHECK(after.alloc_cache_misses == before.alloc_cache_misses);
  CHECK(after.free_cache_hits == before.free_cache_hits);
  CHECK(after.free_cache_misses == before.free_cache_misses);
  CHECK(after.in_use == 0);
  Five of_me;
  of_me.add(of_lcore(rte_lcore_id()));
  CHECK(of_me == of_me_before);
  check_sums();
}

TEST_CASE("a reset leaves what is in use right, and starts all else at zero") {
  const Initialised heap;
  std::vector<void*> live = take(70, 64);
  std::vector<void*> large = take(3, kOneMiB);
  rte_fastmem_stats_reset();
  CHECK(totals().alloc_total == 0);
  CHECK(totals().free_total == 0);
  CHECK(of_class(64).in_use == 70);
  CHECK(of_class(kOneMiB).in_use == 3);
  CHECK(totals().bytes_in_use == 70 * 64 + 3 * kOneMiB);
  CHECK(allocs(of_class(64)) == 0);
  CHECK(allocs(of_lcore(rte_lcore_id())) == 0);
  CHECK(allocs(of_lcore(rte_lcore_id(), 64)) == 0);
  check_sums();
  give(live);
  CHECK(of_class(64).in_use == 0);
  CHECK(frees(of_class(64)) == 70);
  CHECK(totals().free_total == 70);
  rte_fastmem_stats_reset();
  CHECK(of_class(kOneMiB).in_use == 3);
  give(large);
  CHECK(totals().bytes_in_use == 0);
  check_sums();
}

TEST_CASE("slabs of a class are full, partial, or back") {
  const Initialised heap;
  std::vector<void*> objects = take(40, 256 * 1024);
  rte_fastmem_class_stats c = of_class(256 * 1024);
  CHECK(c.slab_acquires >= 5);
  CHECK(c.slab_acquires - c.slab_releases == c.slabs_partial + c.slabs_full);
  give(objects);
  rte_fastmem_cache_flush();
  c = of_class(256 * 1024);
  CHECK(c.slabs_full == 0);
  CHECK(c.slab_acquires - c.slab_releases == c.slabs_partial);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("the structure of a class that is refused is left alone") {
  const Initialised heap;
  rte_fastmem_class_stats c = {};
  c.in_use = 77;
  CHECK(rte_fastmem_stats_class(65, &c) == -EINVAL);
  CHECK(c.in_use == 77);
}

}  // namespace
}  // namespace fastmem::test
