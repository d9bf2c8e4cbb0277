// SPDX-License-Identifier: BSD-3-Clause
// Threads that all make the process's first allocation: is there one default heap, and has each its object?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <barrier>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"

namespace fastmem {
namespace {

constexpr int kThreads = 8;
constexpr int kProcesses = 20;

// Every thread runs the body at once.
template <class Body>
void all_at_once(Body body) {
  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      start.arrive_and_wait();
      body(t);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void in_new_processes(const std::function<std::string()>& body) {
  for (int i = 0; i < kProcesses; ++i) {
    const test::ChildResult child = test::run_in_child(body);
    REQUIRE(child.signal == 0);
    REQUIRE(child.text == "");
  }
}

std::string first_allocations() {
  void* objects[kThreads] = {};
  fastmem_heap_t* heaps[kThreads] = {};
  all_at_once([&](int t) {
    objects[t] = t % 2 == 0 ? fastmem_alloc(48, 0, 0) : fastmem_alloc(48, 64, FASTMEM_ZERO);
    heaps[t] = fastmem_default_heap();
  });
  if (std::set<void*>(objects, objects + kThreads).size() != kThreads) return "an object twice";
  if (std::set<void*>(objects, objects + kThreads).contains(nullptr)) return "no object";
  if (std::set<fastmem_heap_t*>(heaps, heaps + kThreads).size() != 1) return "several default heaps";
  for (void* const p : objects) {
    if (fastmem_free(p) != 0) return fastmem_error_text();
  }
  fastmem_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  fastmem_stats(nullptr, &stats);
  return stats.alloc_total == kThreads && stats.free_total == kThreads ? "" : "miscounted";
}

std::string initialisations() {
  int results[kThreads] = {};
  all_at_once([&](int t) {
    fastmem_config_t config;
    fastmem_config_init(&config);
    config.pages = FASTMEM_PAGES_4K;
    results[t] = fastmem_init(&config);
  });
  int made = 0;
  for (const int result : results) {
    made += result == 0 ? 1 : 0;
    if (result != 0 && result != -EBUSY) return "neither 0 nor EBUSY";
  }
  return made == 1 ? "" : std::to_string(made) + " heaps";
}

std::string frees_while_it_comes() {
  char foreign[16] = {};
  bool wrong = false;
  fastmem_set_log([](int, const char*, void*) {}, nullptr);
  all_at_once([&](int t) {
    if (t == 0) {
      void* const p = fastmem_alloc(10, 0, 0);
      if (p == nullptr || fastmem_free(p) != 0) wrong = true;
    } else {
      for (int i = 0; i < 100; ++i) {
        const int result = fastmem_free(foreign);
        if (result != -ENODEV && result != -EINVAL) std::abort();
      }
    }
  });
  return wrong ? "alloc or free" : "";
}

TEST_CASE("the first allocation of eight threads") { in_new_processes(first_allocations); }
TEST_CASE("fastmem_init by eight threads") { in_new_processes(initialisations); }
TEST_CASE("frees while the heap comes into being") { in_new_processes(frees_while_it_comes); }

}  // namespace
}  // namespace fastmem
