// SPDX-License-Identifier: BSD-3-Clause
// A hundred heaps one after the other, with work of every kind of thread in each: nothing of them stays behind.
#include <rte_malloc.h>
#include <rte_thread.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

constexpr int kCycles = 100;
constexpr std::size_t kLarge = kOneMiB / 4;

// EAL clears what it gets back: less memory, more cycles.
void stay_small() { REQUIRE(rte_fastmem_set_limit(SOCKET_ID_ANY, 24 * kOneMiB) == 0); }

// What a process could lose: EAL's memory, mappings, file descriptors, threads.
struct Belongings {
  std::size_t eal_bytes = 0, eal_elements = 0, mappings = 0, files = 0, threads = 0;
  unsigned zones = 0;
};

std::size_t entries_of(const char* folder) {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++n;
  return n;
}

Belongings belongings() {
  Belongings b;
  rte_malloc_socket_stats stats{};
  rte_malloc_get_socket_stats(first_socket_id(), &stats);
  b.eal_bytes = stats.heap_allocsz_bytes;
  b.eal_elements = stats.alloc_count;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++b.mappings;
  b.files = entries_of("/proc/self/fd");
  b.threads = entries_of("/proc/self/task");
  b.zones = memzones_named("");
  return b;
}

void check_same(const Belongings& before, const Belongings& after) {
  CHECK(after.eal_bytes == before.eal_bytes);
  CHECK(after.eal_elements == before.eal_elements);
  CHECK(after.zones == before.zones);
  CHECK(after.files == before.files);
  CHECK(after.threads == before.threads);
  CHECK(after.mappings <= before.mappings + 10);  // libc keeps stacks and arenas of threads that ended
}

std::atomic<int> g_wrong{0};

// Leaves some objects live and some in caches.
void work() {
  for (const std::size_t size : {std::size_t{8}, std::size_t{100}, std::size_t{5000}, kLarge}) {
    void* ptrs[8];
    if (rte_fastmem_alloc_bulk(ptrs, 8, size, 8, RTE_FASTMEM_F_ZERO) != 0) {
      ++g_wrong;
      continue;
    }
    for (void* const p : ptrs) {
      if (!all_bytes_are(p, 0, size)) ++g_wrong;
      std::memset(p, 0xcc, size);
    }
    rte_fastmem_free_bulk(ptrs, 6);
  }
}

TEST_CASE("a hundred cycles with lcores, plain threads and live objects leave nothing") {
  g_wrong = 0;
  Belongings before;
  for (int i = 0; i < kCycles; ++i) {
    {
      const Initialised heap;
      if (i % 10 != 0) stay_small();
      work();
      REQUIRE(on_worker_lcore(work));
      on_plain_thread(work);
      if (i % 10 == 0) CHECK(rte_fastmem_reserve(2 * kOneMiB * (i + 1), SOCKET_ID_ANY) == 0);
      CHECK(totals().alloc_total == 3 * 32);
      CHECK(totals().free_total == 3 * 24);
    }
    if (i == 2) before = belongings();
  }
  CHECK(g_wrong == 0);
  check_same(before, belongings());
}

TEST_CASE("threads that compete for init: who gets it works and ends it, a hundred times, and nothing is left") {
  g_wrong = 0;
  { const Initialised once; }
  const Belongings before = belongings();
  std::atomic<int> cycles{0};
  const auto compete = [&] {
    while (cycles < kCycles) {
      const int result = rte_fastmem_init();
      if (result == 0) {
        if (rte_fastmem_set_limit(SOCKET_ID_ANY, 24 * kOneMiB) != 0) ++g_wrong;
        work();
        ++cycles;
        rte_fastmem_deinit();
      } else if (result != -EBUSY) {
        ++g_wrong;
      }
    }
  };
  std::thread one(compete);
  std::thread two(compete);
  REQUIRE(on_worker_lcore(compete));
  one.join();
  two.join();
  CHECK(g_wrong == 0);
  CHECK(cycles >= kCycles);
  CHECK(memzones_named("fastmem") == 0);
  check_same(before, belongings());
}

TEST_CASE("threads that live on through a hundred heaps, one of them registered anew in each") {
  g_wrong = 0;
  std::atomic<int> turn{0};  // even: the heap may come and go; odd: the threads work
  std::atomic<int> done{0};
  const auto each_turn = [&](bool registers) {
    for (int i = 1; i < 2 * kCycles; i += 2) {
      while (turn < i) std::this_thread::yield();
      if (registers && rte_thread_register() != 0) ++g_wrong;
      work();
      if (registers) rte_thread_unregister();
      ++done;
    }
  };
  std::thread one(each_turn, false);
  std::thread two(each_turn, true);
  for (int i = 1; i < 2 * kCycles; i += 2) {
    const Initialised heap;
    stay_small();
    done = 0;
    turn = i;
    while (done < 2) std::this_thread::yield();
    CHECK(totals().alloc_total == 2 * 32);
    CHECK(totals().bytes_in_use == 2 * 2 * (8 + 128 + 8192 + kLarge));
    turn = i + 1;
  }
  one.join();
  two.join();
  CHECK(g_wrong == 0);
}

TEST_CASE("a heap that was never used, a hundred times") {
  { const Initialised once; }
  const Belongings before = belongings();
  for (int i = 0; i < kCycles; ++i) const Initialised heap;
  check_same(before, belongings());
}

}  // namespace
}  // namespace fastmem::test
