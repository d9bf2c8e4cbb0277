// SPDX-License-Identifier: BSD-3-Clause
// rte_fastmem.h: pointers that should not have been freed. The caller is told; nobody else's object suffers.
#include <rte_malloc.h>

#include <cstdlib>
#include <set>

#include "tests/dpdk/rte_guard.h"
#include "tests/dpdk/rte_logged.h"

namespace fastmem::test {
namespace {

// After any misuse: objects are distinct and hold their bytes.
void check_sound() {
  for (const std::size_t size : {std::size_t{64}, std::size_t{4096}, std::size_t{256 * 1024}}) {
    const std::size_t n = std::min<std::size_t>(2000, 32 * kOneMiB / size);
    std::vector<void*> objects = take(n, size);
    CHECK(std::set<void*>(objects.begin(), objects.end()).size() == n);
    for (std::size_t i = 0; i < n; ++i) std::memset(objects[i], static_cast<int>(i % 251), size);
    bool intact = true;
    for (std::size_t i = 0; i < n; ++i) intact = intact && all_bytes_are(objects[i], static_cast<int>(i % 251), size);
    CHECK(intact);
    give(objects);
  }
  rte_fastmem_cache_flush();
}

TEST_CASE("freeing memory of the stack, of libc, of constants, and wild addresses is told and harmless") {
  const Initialised heap;
  std::vector<void*> live = take(100, 64);
  for (void* const p : live) std::memset(p, 0x5a, 64);
  int on_stack = 7;
  static int is_static = 8;
  auto* const from_libc = static_cast<char*>(std::malloc(100));
  void* const foreign[] = {&on_stack,
                           &is_static,
                           from_libc,
                           from_libc + 8,
                           reinterpret_cast<void*>(1),
                           reinterpret_cast<void*>(4096),
                           reinterpret_cast<void*>(std::uintptr_t{1} << 46),
                           reinterpret_cast<void*>(std::uintptr_t{1} << 63),
                           reinterpret_cast<void*>(~std::uintptr_t{0}),
                           reinterpret_cast<void*>(~std::uintptr_t{0} << 12)};
  for (void* const p : foreign) {
    CAPTURE(p);
    const Logged log;
    rte_fastmem_free(p);
    CHECK(log.lines() == 1);
    rte_errno = 0;
    CHECK(rte_fastmem_realloc(p, 100, 0) == nullptr);
    CHECK(rte_errno == EINVAL);
  }
  {
    const Logged log;
    rte_fastmem_free_bulk(const_cast<void**>(foreign), std::size(foreign));
    CHECK(log.lines() >= 1);
  }
  CHECK((on_stack == 7 && is_static == 8));
  CHECK(of_class(64).in_use == 100);
  bool intact = true;
  for (void* const p : live) intact = intact && all_bytes_are(p, 0x5a, 64);
  CHECK(intact);
  give(live);
  std::free(from_libc);
  check_sound();
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("a foreign pointer among good ones in a bulk: the good ones are freed") {
  const Initialised heap;
  const Logged log;
  int mine = 7;
  std::vector<void*> objects = take(50, 64);
  objects.insert(objects.begin() + 25, &mine);
  objects.insert(objects.begin(), &mine);
  objects.push_back(&mine);
  give(objects);
  CHECK(log.lines() >= 1);
  CHECK(of_class(64).in_use == 0);
  CHECK(mine == 7);
  check_sound();
}

TEST_CASE("memory of EAL that is not fastmem's is foreign, too") {
  const Initialised heap;
  const Logged log;
  rte_fastmem_free(rte_fastmem_alloc(64, 0, 0));
  void* const p = rte_malloc(nullptr, 100, 0);
  REQUIRE(p != nullptr);
  std::memset(p, 0x61, 100);
  rte_fastmem_free(p);
  CHECK(log.lines() == 1);
  CHECK(rte_fastmem_virt2iova(p) == RTE_BAD_IOVA);
  CHECK(all_bytes_are(p, 0x61, 100));
  rte_free(p);
}

// What a cache took in is looked at when it gets back to its slab.
TEST_CASE("an object freed twice is noticed when it comes home, and given to one owner only after that") {
  const Initialised heap;
  for (const std::size_t size : {std::size_t{8}, std::size_t{64}, std::size_t{4096}, kOneMiB}) {
    CAPTURE(size);
    const Logged log;
    std::vector<void*> others = take(6, size, 8);
    void* const p = rte_fastmem_alloc(size, 8, 0);
    REQUIRE(p != nullptr);
    rte_fastmem_free(p);
    rte_fastmem_free(p);
    rte_fastmem_cache_flush();
    CHECK(log.lines() == 1);
    void* const q = rte_fastmem_alloc(size, 8, 0);
    void* const r = rte_fastmem_alloc(size, 8, 0);
    CHECK(q != r);
    rte_fastmem_free(q);
    rte_fastmem_free(r);
    give(others);
    rte_fastmem_cache_flush();
    CHECK(log.lines() == 1);
  }
  check_sound();
}

TEST_CASE("more frees than allocations leave nothing in use, and not less") {
  const Initialised heap;
  const Logged log;
  void* const p = rte_fastmem_alloc(1024, 0, 0);
  for (int i = 0; i < 5; ++i) {
    rte_fastmem_free(p);
    CHECK(of_class(1024).in_use == 0);
    CHECK(totals().bytes_in_use == 0);
  }
  rte_fastmem_cache_flush();
  CHECK(log.lines() >= 1);
  CHECK(of_class(1024).in_use == 0);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("an object freed by two threads is noticed, and the books stay right") {
  const Initialised heap;
  const Logged log;
  void* const p = rte_fastmem_alloc(64, 0, 0);
  rte_fastmem_free(p);
  rte_fastmem_cache_flush();
  on_plain_thread([p] { rte_fastmem_free(p); });  // it ends, and its caches come home
  CHECK(log.lines() == 1);
  REQUIRE(on_worker_lcore([p] {
    rte_fastmem_free(p);
    rte_fastmem_cache_flush();
  }));
  CHECK(log.lines() == 2);
  check_sound();
}

TEST_CASE("an object of a slab that has gone back is foreign") {
  const Initialised heap;
  const Logged log;
  void* const p = rte_fastmem_alloc(64, 0, 0);
  rte_fastmem_free(p);
  rte_fastmem_cache_flush();
  REQUIRE(of_class(64).slab_releases == of_class(64).slab_acquires);
  rte_fastmem_free(p);
  rte_fastmem_cache_flush();
  CHECK(log.lines() == 1);
  CHECK(rte_fastmem_realloc(p, 10, 0) == nullptr);
  check_sound();
}

TEST_CASE("a pointer into an object is noticed, and the object lives on") {
  const Initialised heap;
  const Logged log;
  std::vector<void*> objects = take(4, 4096);
  for (void* const p : objects) std::memset(p, 0x2f, 4096);
  int told = 0;
  for (const std::size_t at : {std::size_t{1}, std::size_t{8}, std::size_t{64}, std::size_t{2048}, std::size_t{4095}}) {
    CAPTURE(at);
    rte_fastmem_free(static_cast<char*>(objects[1]) + at);
    rte_fastmem_cache_flush();
    CHECK(log.lines() == ++told);
  }
  bool intact = true;
  for (void* const p : objects) intact = intact && all_bytes_are(p, 0x2f, 4096);
  CHECK(intact);
  for (void* const p : take(200, 4096)) {
    for (void* const o : objects) CHECK(p != o);
  }
}

TEST_CASE("a realloc of a pointer into an object is refused, and the object lives on") {
  const Initialised heap;
  const Logged log;
  void* const p = rte_fastmem_alloc(4096, 0, 0);
  std::memset(p, 0x2f, 4096);
  rte_errno = 0;
  CHECK(rte_fastmem_realloc(static_cast<char*>(p) + 64, 100, 0) == nullptr);
  CHECK(rte_errno == EINVAL);
  CHECK(log.lines() == 1);
  CHECK(all_bytes_are(p, 0x2f, 4096));
  rte_fastmem_free(p);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("an object freed by another class's handle is told and goes to its own class") {
  const Initialised heap;
  const Logged log;
  rte_fastmem_handle_t of_128;
  REQUIRE(rte_fastmem_hlookup(128, 0, first_socket_id(), &of_128) == 0);
  void* ptrs[4];
  REQUIRE(rte_fastmem_alloc_bulk(ptrs, 4, 64, 0, 0) == 0);
  rte_fastmem_hfree(of_128, ptrs[0]);
  rte_fastmem_hfree_bulk(of_128, ptrs + 1, 3);
  rte_fastmem_cache_flush();
  CHECK(log.lines() == 4);
  std::vector<void*> mine = take(20000, 128);
  for (void* const p : mine) CHECK(aligned(p, 128));
  give(mine);
  check_sound();
}

TEST_CASE("frees by what is no handle go where the pointer belongs") {
  const Initialised heap;
  void* ptrs[8];
  REQUIRE(rte_fastmem_alloc_bulk(ptrs, 8, 64, 0, 0) == 0);
  rte_fastmem_hfree(~0u, ptrs[0]);
  rte_fastmem_hfree(0x40000, ptrs[1]);
  rte_fastmem_hfree_bulk(~0u, ptrs + 2, 6);
  CHECK(of_class(64).in_use == 0);
  check_sound();
}

TEST_CASE("a thousand misuses of every kind at random: no crash, and all that was not misused is whole") {
  const Initialised heap;
  const Logged log;
  std::vector<void*> live = take(200, 256);
  for (std::size_t i = 0; i < live.size(); ++i) std::memset(live[i], static_cast<int>(i), 256);
  unsigned seed = 1;
  for (int i = 0; i < 1000; ++i) {
    seed = seed * 1103515245 + 12345;
    auto* const p = static_cast<char*>(live[seed / 65536 % live.size()]);
    rte_fastmem_free(p + 1 + seed % 255);                             // inside
    rte_fastmem_free(reinterpret_cast<void*>(std::uintptr_t{seed}));  // anywhere
    void* const own = rte_fastmem_alloc(64, 0, 0);
    rte_fastmem_free(own);
    rte_fastmem_cache_flush();
    rte_fastmem_free(own);  // twice
  }
  rte_fastmem_cache_flush();
  CHECK(log.lines() >= 2000);
  bool intact = true;
  for (std::size_t i = 0; i < live.size(); ++i) {
    intact = intact && all_bytes_are(live[i], static_cast<int>(i & 0xff), 256);
  }
  CHECK(intact);
  give(live);
  check_sound();
}

TEST_CASE("an object that is freed by a handle that is none goes home all the same") {
  const Initialised heap;
  for (const rte_fastmem_handle_t none : {0u, 1u, 127u, 0xfffffu, ~0u}) {
    CAPTURE(none);
    void* p = rte_fastmem_alloc(64, 0, 0);
    REQUIRE(p != nullptr);
    rte_fastmem_hfree(none, p);
    p = rte_fastmem_alloc(64, 0, 0);
    rte_fastmem_hfree_bulk(none, &p, 1);
    struct rte_fastmem_stats stats;
    REQUIRE(rte_fastmem_stats(&stats) == 0);
    CHECK(stats.bytes_in_use == 0);
  }
}

}  // namespace
}  // namespace fastmem::test
