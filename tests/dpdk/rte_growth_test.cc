// SPDX-License-Identifier: BSD-3-Clause
// What fastmem asks of EAL: seen, refused and delayed by a rte_memzone_reserve_aligned() of the test's own.
#include <dlfcn.h>
#include <rte_memzone.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "tests/dpdk/rte_guard.h"
#include "tests/dpdk/rte_logged.h"

namespace fastmem::test {
namespace {

std::atomic<unsigned> g_asked{0};
std::atomic<std::size_t> g_most{SIZE_MAX};  // larger zones are refused
std::atomic<int> g_grants{1 << 30};         // so many more are given
std::function<void()> g_meanwhile;          // called by the next request, once

// Back to what EAL does by itself.
struct Undo {
  Undo() { g_asked = 0; }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    g_most = SIZE_MAX;
    g_grants = 1 << 30;
    g_meanwhile = nullptr;
  }
};

bool refused(std::size_t size) {
  ++g_asked;
  if (g_meanwhile) std::exchange(g_meanwhile, nullptr)();
  if (size == 0 && g_most != SIZE_MAX) return true;  // "the largest there is" would be larger
  return size > g_most || g_grants <= 0;
}

}  // namespace
}  // namespace fastmem::test

extern "C" __attribute__((visibility("default"))) const rte_memzone* rte_memzone_reserve_aligned(
    const char* name, std::size_t size, int socket, unsigned flags, unsigned align) {
  static const auto real =
      reinterpret_cast<decltype(&rte_memzone_reserve_aligned)>(dlsym(RTLD_NEXT, "rte_memzone_reserve_aligned"));
  if (fastmem::test::refused(size)) {
    rte_errno = ENOMEM;
    return nullptr;
  }
  --fastmem::test::g_grants;
  return real(name, size, socket, flags, align);
}

namespace fastmem::test {
namespace {

TEST_CASE("failing allocations do not ask EAL each time, and are told once") {
  const Undo undo;
  const Initialised heap;
  const Logged log;
  g_most = 0;
  constexpr unsigned kCalls = 20000;
  for (unsigned i = 0; i < kCalls; ++i) CHECK(rte_fastmem_alloc(64, 0, 0) == nullptr);
  CHECK(g_asked > 0);
  CHECK(g_asked < kCalls / 10);
  CHECK(log.lines() == 1);
  CHECK(totals().alloc_nomem == kCalls);
}

TEST_CASE("memory that EAL has again is had at once after a limit was set or memory reserved") {
  for (const bool by_limit : {true, false}) {
    const Undo undo;
    const Initialised heap;
    g_most = 0;
    for (int i = 0; i < 100; ++i) CHECK(rte_fastmem_alloc(64, 0, 0) == nullptr);
    g_most = SIZE_MAX;
    if (by_limit) {
      REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, SIZE_MAX) == 0);
    } else {
      REQUIRE(rte_fastmem_reserve(1, SOCKET_ID_ANY) == 0);
    }
    CHECK(rte_fastmem_alloc(64, 0, 0) != nullptr);
  }
}

TEST_CASE("memory that EAL has again is found by trying, without any call but alloc") {
  const Undo undo;
  const Initialised heap;
  g_most = 0;
  for (int i = 0; i < 100; ++i) CHECK(rte_fastmem_alloc(64, 0, 0) == nullptr);
  g_most = SIZE_MAX;
  void* p = nullptr;
  while (p == nullptr) p = rte_fastmem_alloc(64, 0, 0);  // never ends if nobody asks again
  CHECK(p != nullptr);
}

TEST_CASE("where EAL has only small pieces, small pieces are taken") {
  const Undo undo;
  const Initialised heap;
  g_most = 8 * kOneMiB;
  std::vector<void*> objects = take(40, kOneMiB);
  CHECK(memzones_named("fastmem") >= 5);
  REQUIRE(rte_fastmem_reserve(100 * kOneMiB, SOCKET_ID_ANY) == 0);
  CHECK(totals().bytes_backing >= 100 * kOneMiB);
  give(objects);
}

TEST_CASE("a reserve that is refused halfway is -ENOMEM, keeps what it got, and can be asked again") {
  const Undo undo;
  const Initialised heap;
  g_grants = 1;
  CHECK(rte_fastmem_reserve(300 * kOneMiB, SOCKET_ID_ANY) == -ENOMEM);
  CHECK(memzones_named("fastmem") == 1);
  CHECK(rte_fastmem_alloc(kOneMiB, 0, 0) != nullptr);
  g_grants = 1 << 30;
  CHECK(rte_fastmem_reserve(300 * kOneMiB, SOCKET_ID_ANY) == 0);
  CHECK(totals().bytes_backing >= 300 * kOneMiB);
}

TEST_CASE("while EAL works on a new region, other threads allocate, free and look on") {
  const Undo undo;
  const Initialised heap;
  std::vector<void*> objects = take(10, 64);
  std::vector<void*> large = take(4, kOneMiB / 2);
  std::atomic<bool> went_on{false};
  bool seen = false;
  std::thread other;
  g_meanwhile = [&] {
    other = std::thread([&] {
      void* const p = rte_fastmem_alloc(64, 0, 0);
      if (p == nullptr || rte_fastmem_virt2iova(p) == RTE_BAD_IOVA) return;
      rte_fastmem_free(p);
      give(objects);
      give(large);
      rte_fastmem_cache_flush();
      if (totals().bytes_backing == 0 || of_class(64).in_use != 0) return;
      went_on = true;
    });
    // Long enough for the slowest machine; a thread that waits for this one's lock goes on after it.
    for (int i = 0; i < 20000 && !went_on; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    seen = went_on;
  };
  std::vector<void*> rest;
  while (g_meanwhile) {
    rest.push_back(rte_fastmem_alloc(kOneMiB, 0, 0));
    REQUIRE(rest.back() != nullptr);
  }
  other.join();
  CHECK(seen);
  give(rest);
}

TEST_CASE("a class that has slabs asks EAL for nothing, and neither does one that finds a slab") {
  const Undo undo;
  const Initialised heap;
  REQUIRE(rte_fastmem_reserve(64 * kOneMiB, SOCKET_ID_ANY) == 0);
  const unsigned asked = g_asked;
  for (const std::size_t size : class_sizes()) {
    void* const p = rte_fastmem_alloc(size, 8, 0);
    CHECK(p != nullptr);
    CHECK(of_class(size).slab_acquires == 1);
    rte_fastmem_free(p);
  }
  CHECK(g_asked == asked);
}

}  // namespace
}  // namespace fastmem::test
