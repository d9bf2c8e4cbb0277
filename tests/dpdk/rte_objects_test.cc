// SPDX-License-Identifier: BSD-3-Clause
// rte_fastmem_alloc() and rte_fastmem_realloc(): size, alignment, zeroes, and that nobody else writes into an object.
#include <cstdint>
#include <random>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

TEST_CASE("there are 18 classes, the powers of two from 8 bytes to 1 MiB, with init and without") {
  const auto check = [] {
    std::size_t sizes[19];
    std::fill(sizes, sizes + 19, 77);
    CHECK(rte_fastmem_classes(sizes) == 18);
    CHECK(sizes[18] == 77);
    for (unsigned i = 0; i < 18; ++i) CHECK(sizes[i] == std::size_t{8} << i);
    CHECK(rte_fastmem_max_size() >= kOneMiB);
  };
  check();
  const Initialised heap;
  check();
  CHECK(totals().n_classes == 18);
}

TEST_CASE("every size of every class with every alignment: aligned, writable to the end, of the smallest class") {
  const Initialised heap;
  for (const std::size_t size_class : class_sizes()) {
    for (const std::size_t size : {size_class, size_class - 1, size_class / 2 + 1}) {
      for (std::size_t align = 0; align <= kOneMiB; align = align == 0 ? 1 : align * 2) {
        CAPTURE(size);
        CAPTURE(align);
        const std::size_t expected = class_for(size, align);
        const std::uint64_t before = of_class(expected).in_use;
        void* const p = rte_fastmem_alloc(size, align, 0);
        REQUIRE(p != nullptr);
        CHECK(aligned(p, align == 0 ? RTE_CACHE_LINE_SIZE : align));
        CHECK(of_class(expected).in_use == before + 1);
        std::memset(p, 0xa5, size);
        rte_fastmem_free(p);
        CHECK(of_class(expected).in_use == before);
      }
    }
  }
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("alignment 0 is a cache line, for the smallest objects, too") {
  const Initialised heap;
  for (std::size_t size = 1; size <= 64; ++size) {
    for (void* const p : take(40, size)) CHECK(aligned(p, RTE_CACHE_LINE_SIZE));
  }
}

TEST_CASE("small objects with a small alignment are as dense as their class") {
  const Initialised heap;
  for (const std::size_t size : {std::size_t{8}, std::size_t{16}, std::size_t{32}}) {
    std::vector<void*> objects = take(1000, size, 8);
    CHECK(of_class(size).in_use == 1000);
    CHECK(totals().bytes_in_use == 1000 * size);
    give(objects);
  }
}

TEST_CASE("objects of all classes that live together do not overlap") {
  const Initialised heap;
  std::vector<std::pair<void*, std::size_t>> live;
  int mark = 0;
  for (const std::size_t size : class_sizes()) {
    const std::size_t n = std::min<std::size_t>(300, 8 * kOneMiB / size);
    for (void* const p : take(n, size, 8)) {
      std::memset(p, ++mark & 0xff, size);
      live.emplace_back(p, size);
    }
  }
  mark = 0;
  bool intact = true;
  for (const auto& [p, size] : live) intact = intact && all_bytes_are(p, ++mark & 0xff, size);
  CHECK(intact);
  for (const auto& [p, size] : live) rte_fastmem_free(p);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("an object asked with zeroes reads zero however dirty the memory was") {
  const Initialised heap;
  for (const std::size_t size_class : class_sizes()) {
    const std::size_t n = std::min<std::size_t>(200, 8 * kOneMiB / size_class);
    std::vector<void*> objects = take(n, size_class, 8);
    for (void* const p : objects) std::memset(p, 0xff, size_class);
    give(objects);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t size = i % 2 == 0 ? size_class : size_class / 2 + 1;
      void* const p = rte_fastmem_alloc(size, 8, RTE_FASTMEM_F_ZERO);
      REQUIRE(p != nullptr);
      CHECK(all_bytes_are(p, 0, size));
      objects.push_back(p);
    }
    give(objects);
  }
}

TEST_CASE("zeroes are per request: with a socket, in a bulk and by handle") {
  const Initialised heap;
  for (const std::size_t size : {std::size_t{8}, std::size_t{64}, std::size_t{3000}, kOneMiB}) {
    const unsigned n = size == kOneMiB ? 4 : 100;
    void* ptrs[100];
    const auto dirty = [&] {
      REQUIRE(rte_fastmem_alloc_bulk(ptrs, n, size, 8, 0) == 0);
      for (unsigned i = 0; i < n; ++i) std::memset(ptrs[i], 0xee, size);
      rte_fastmem_free_bulk(ptrs, n);
    };
    const auto check_and_free = [&] {
      for (unsigned i = 0; i < n; ++i) CHECK(all_bytes_are(ptrs[i], 0, size));
      for (unsigned i = 0; i < n; ++i) std::memset(ptrs[i], 0xdd, size);
      rte_fastmem_free_bulk(ptrs, n);
    };
    rte_fastmem_handle_t handle;
    REQUIRE(rte_fastmem_hlookup(size, 8, first_socket_id(), &handle) == 0);
    dirty();
    for (unsigned i = 0; i < n; ++i) {
      ptrs[i] = rte_fastmem_alloc_socket(size, 8, RTE_FASTMEM_F_ZERO, first_socket_id());
      REQUIRE(ptrs[i] != nullptr);
    }
    check_and_free();
    REQUIRE(rte_fastmem_alloc_bulk(ptrs, n, size, 8, RTE_FASTMEM_F_ZERO) == 0);
    check_and_free();
    REQUIRE(rte_fastmem_alloc_bulk_socket(ptrs, n, size, 8, RTE_FASTMEM_F_ZERO, first_socket_id()) == 0);
    check_and_free();
    REQUIRE(rte_fastmem_halloc_bulk(handle, ptrs, n, RTE_FASTMEM_F_ZERO) == 0);
    check_and_free();
    for (unsigned i = 0; i < n; ++i) {
      ptrs[i] = rte_fastmem_halloc(handle, RTE_FASTMEM_F_ZERO);
      REQUIRE(ptrs[i] != nullptr);
    }
    check_and_free();
  }
}

TEST_CASE("realloc of NULL allocates, to 0 frees and answers NULL") {
  const Initialised heap;
  CHECK(rte_fastmem_realloc(nullptr, 0, 0) == nullptr);
  void* const p = rte_fastmem_realloc(nullptr, 100, 256);
  REQUIRE(p != nullptr);
  CHECK(aligned(p, 256));
  CHECK(totals().bytes_in_use == 256);
  CHECK(rte_fastmem_realloc(p, 0, 0) == nullptr);
  CHECK(totals().bytes_in_use == 0);
  CHECK(totals().free_total == 1);
}

TEST_CASE("realloc inside the class keeps the pointer; to another class it keeps the contents") {
  const Initialised heap;
  for (const std::size_t from : class_sizes()) {
    for (const std::size_t to : class_sizes()) {
      CAPTURE(from);
      CAPTURE(to);
      void* const p = rte_fastmem_alloc(from, 8, 0);
      REQUIRE(p != nullptr);
      std::memset(p, 0x3c, from);
      CHECK(rte_fastmem_realloc(p, from / 2 + 1, 8) == p);
      void* const q = rte_fastmem_realloc(p, to, 8);
      REQUIRE(q != nullptr);
      if (from == to) CHECK(q == p);
      CHECK(all_bytes_are(q, 0x3c, std::min(from, to)));
      CHECK(of_class(to).in_use == 1);
      CHECK(totals().bytes_in_use == to);
      rte_fastmem_free(q);
    }
  }
}

TEST_CASE("realloc gives the alignment asked, also when the size would have fitted") {
  const Initialised heap;
  std::vector<void*> objects = take(20, 64, 64);
  for (void*& p : objects) {
    std::memset(p, 0x42, 64);
    p = rte_fastmem_realloc(p, 64, 4096);
    REQUIRE(p != nullptr);
    CHECK(aligned(p, 4096));
    CHECK(all_bytes_are(p, 0x42, 64));
  }
  give(objects);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("a realloc that fails says why and leaves the object alone") {
  const Initialised heap;
  void* const p = rte_fastmem_alloc(1000, 0, 0);
  REQUIRE(p != nullptr);
  std::memset(p, 0x77, 1000);
  const auto refused = [&](std::size_t size, std::size_t align, int error) {
    CAPTURE(size);
    rte_errno = 0;
    CHECK(rte_fastmem_realloc(p, size, align) == nullptr);
    CHECK(rte_errno == error);
    CHECK(all_bytes_are(p, 0x77, 1000));
    CHECK(of_class(1024).in_use == 1);
  };
  refused(rte_fastmem_max_size() + 1, 0, E2BIG);
  refused(SIZE_MAX, 0, E2BIG);
  refused(500, 3, EINVAL);
  refused(1, kOneMiB * 2, E2BIG);
  REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, 0) == 0);
  std::vector<void*> all = take_all(kOneMiB);
  refused(kOneMiB, 0, ENOMEM);
  CHECK(rte_fastmem_realloc(p, 600, 0) == p);
  give(all);
  rte_fastmem_free(p);
}

TEST_CASE("random sizes and lifetimes: every object keeps its bytes until it is freed") {
  const Initialised heap;
  std::mt19937 random(20);
  struct Object {
    unsigned char* at;
    std::size_t size;
    int mark;
  };
  std::vector<Object> live;
  bool intact = true;
  for (int step = 0; step < 20000; ++step) {
    if (live.size() < 500 && random() % 2 == 0) {
      const std::size_t size = 1 + random() % (std::size_t{1} << (3 + random() % 14));
      auto* const p = static_cast<unsigned char*>(rte_fastmem_alloc(size, std::size_t{1} << random() % 10, 0));
      REQUIRE(p != nullptr);
      live.push_back({p, size, step & 0xff});
      std::memset(p, step & 0xff, size);
    } else if (!live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      intact = intact && all_bytes_are(live.back().at, live.back().mark, live.back().size);
      rte_fastmem_free(live.back().at);
      live.pop_back();
    }
  }
  CHECK(intact);
  for (const Object& o : live) rte_fastmem_free(o.at);
  CHECK(totals().bytes_in_use == 0);
}

}  // namespace
}  // namespace fastmem::test
