// SPDX-License-Identifier: BSD-3-Clause
// tests/dpdk/telemetry_program.cc -- for telemetry_test.py: an EAL program that does with rte_fastmem what it is told,
// a line at a time, and answers each line with "ok".
//     init | deinit | alloc SIZE COUNT | thread SIZE COUNT (by a thread without lcore id) | free | iova | misuse
//     | cycle COUNT | regions COUNT
#include <rte_eal.h>
#include <rte_fastmem.h>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

std::vector<void*> g_objects;

bool alloc(unsigned long size, unsigned long count) {
  for (; count > 0; --count) {
    g_objects.push_back(rte_fastmem_alloc(size, 0, 0));
    if (g_objects.back() == nullptr) return false;
  }
  return true;
}

// Comes and goes while others look.
bool cycle(unsigned long count) {
  for (; count > 0; --count) {
    if (rte_fastmem_init() != 0) return false;
    rte_fastmem_free(rte_fastmem_alloc(64, 0, 0));
    rte_fastmem_deinit();
  }
  return true;
}

// A limit just above what is held keeps each of them small.
bool take_regions(unsigned long count) {
  constexpr std::size_t kLeast = 2 << 20;
  struct rte_fastmem_stats stats;
  for (; count > 0; --count) {
    if (rte_fastmem_stats(&stats) != 0) return false;
    if (rte_fastmem_set_limit(SOCKET_ID_ANY, stats.bytes_backing + 2 * kLeast) != 0) return false;
    if (rte_fastmem_reserve(stats.bytes_backing + kLeast, SOCKET_ID_ANY) != 0) return false;
  }
  return true;
}

bool obey(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  unsigned long a = 0;
  unsigned long b = 0;
  words >> verb >> a >> b;
  if (verb == "init") return rte_fastmem_init() == 0;
  if (verb == "deinit") return rte_fastmem_deinit(), g_objects.clear(), true;
  if (verb == "alloc") return alloc(a, b);
  if (verb == "cycle") return cycle(a);
  if (verb == "regions") return take_regions(a);
  if (verb == "iova") return rte_fastmem_virt2iova(g_objects.at(0)) != RTE_BAD_IOVA;
  if (verb == "misuse") return rte_fastmem_free(&g_objects), true;
  if (verb == "free") {
    rte_fastmem_free_bulk(g_objects.data(), static_cast<unsigned>(g_objects.size()));
    return g_objects.clear(), true;
  }
  bool done = false;
  if (verb == "thread") std::thread([&] { done = alloc(a, b); }).join();
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  if (rte_eal_init(argc, argv) < 0) return 1;
  std::puts("ok");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::puts(obey(line) ? "ok" : "failed");
    std::fflush(stdout);
  }
  rte_fastmem_deinit();
  return rte_eal_cleanup() == 0 ? 0 : 1;
}
