// SPDX-License-Identifier: BSD-3-Clause
// tests/dpdk/rte_guard.h: rte_fastmem.h for the length of a scope, and its answers as values.
#pragma once

#include <doctest/doctest.h>
#include <rte_errno.h>
#include <rte_fastmem.h>
#include <rte_lcore.h>
#include <rte_memory.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "tests/dpdk/eal_main.h"

namespace fastmem::test {

inline constexpr std::size_t kOneMiB = std::size_t{1} << 20;

// Initialised in between; nothing may be left of it afterwards.
class Initialised {
 public:
  Initialised() { REQUIRE(rte_fastmem_init() == 0); }
  Initialised(const Initialised&) = delete;
  Initialised& operator=(const Initialised&) = delete;
  ~Initialised() {
    rte_fastmem_deinit();
    CHECK(memzones_named("fastmem") == 0);
  }
};

inline int first_socket_id() { return rte_socket_id_by_idx(0); }

inline std::vector<std::size_t> class_sizes() {
  std::vector<std::size_t> sizes(rte_fastmem_classes(nullptr));
  rte_fastmem_classes(sizes.data());
  return sizes;
}

// Which class serves such a request: the smallest power of two that has the size and the alignment.
inline std::size_t class_for(std::size_t size, std::size_t align) {
  const std::size_t least = align == 0 ? RTE_CACHE_LINE_SIZE : align;
  return std::bit_ceil(std::max(std::max(size, least), std::size_t{8}));
}

// ---- statistics as values: a call that fails fails the test ----

inline struct rte_fastmem_stats totals() {
  struct rte_fastmem_stats s = {};
  REQUIRE(rte_fastmem_stats(&s) == 0);
  return s;
}
inline rte_fastmem_class_stats of_class(std::size_t size) {
  rte_fastmem_class_stats s = {};
  REQUIRE(rte_fastmem_stats_class(size, &s) == 0);
  return s;
}
inline rte_fastmem_lcore_stats of_lcore(unsigned lcore) {
  rte_fastmem_lcore_stats s = {};
  REQUIRE(rte_fastmem_stats_lcore(lcore, &s) == 0);
  return s;
}
inline rte_fastmem_lcore_class_stats of_lcore(unsigned lcore, std::size_t size) {
  rte_fastmem_lcore_class_stats s = {};
  REQUIRE(rte_fastmem_stats_lcore_class(lcore, size, &s) == 0);
  return s;
}
inline rte_fastmem_lcore_stats of_shared() {
  rte_fastmem_lcore_stats s = {};
  REQUIRE(rte_fastmem_stats_shared(&s) == 0);
  return s;
}
inline rte_fastmem_lcore_class_stats of_shared(std::size_t size) {
  rte_fastmem_lcore_class_stats s = {};
  REQUIRE(rte_fastmem_stats_shared_class(size, &s) == 0);
  return s;
}

// Any of the structures above.
template <class Stats>
std::uint64_t allocs(const Stats& s) {
  return s.alloc_cache_hits + s.alloc_cache_misses;
}
template <class Stats>
std::uint64_t frees(const Stats& s) {
  return s.free_cache_hits + s.free_cache_misses;
}

// ---- objects ----

// As many as there are.
inline std::vector<void*> take_all(std::size_t size, std::size_t align = 0) {
  std::vector<void*> objects;
  while (void* const p = rte_fastmem_alloc(size, align, 0)) objects.push_back(p);
  CHECK(rte_errno == ENOMEM);
  return objects;
}
inline std::vector<void*> take(std::size_t n, std::size_t size, std::size_t align = 0) {
  std::vector<void*> objects(n);
  for (void*& p : objects) {
    p = rte_fastmem_alloc(size, align, 0);
    REQUIRE(p != nullptr);
  }
  return objects;
}
inline void give(std::vector<void*>& objects) {
  rte_fastmem_free_bulk(objects.data(), static_cast<unsigned>(objects.size()));
  objects.clear();
}

inline bool all_bytes_are(const void* p, int value, std::size_t size) {
  const auto* const bytes = static_cast<const unsigned char*>(p);
  for (std::size_t i = 0; i < size; ++i) {
    if (bytes[i] != value) return false;
  }
  return true;
}

inline bool aligned(const void* p, std::size_t align) { return reinterpret_cast<std::uintptr_t>(p) % align == 0; }

}  // namespace fastmem::test
