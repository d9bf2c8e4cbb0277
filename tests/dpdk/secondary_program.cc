// SPDX-License-Identifier: BSD-3-Clause
// tests/dpdk/secondary_program.cc -- for secondary_process_test.py: one of several EAL processes that share a mempool
// and have heaps of their own. Does what it is told, a line at a time, and answers each with a number; -1: it failed.
//     pool SIZE | find | drop | take N | give N | count | churn MOST       a mempool with the ops `fastmem`
//     init | deinit | alloc SIZE N | free | work ROUNDS | zones | in_use   a heap
//     fill BYTE | check BYTE | iova                                        of the heap's objects
//     post | fetch | foreign                                               objects by pointer, for another process
#include <rte_eal.h>
#include <rte_fastmem.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_memzone.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr char kPool[] = "shared_pool";
constexpr long kFailed = -1;

std::mt19937 g_random(static_cast<unsigned>(getpid()));

// ---- the mempool ---------------------------------------------------------------------------------------------------

struct Element {
  std::uint64_t number;      // written once, by the primary
  std::atomic<int> holders;  // who has it, in whichever process
};

rte_mempool* g_pool = nullptr;
std::vector<void*> g_elements;

void number_element(rte_mempool*, void*, void* element, unsigned index) { new (element) Element{index + 1000u, {0}}; }

long make_pool(unsigned n) {
  g_pool = rte_mempool_create_empty(kPool, n, 64, 0, 0, SOCKET_ID_ANY, 0);
  if (g_pool == nullptr || rte_mempool_set_ops_byname(g_pool, "fastmem", nullptr) != 0) return kFailed;
  if (rte_mempool_populate_default(g_pool) != static_cast<int>(n)) return kFailed;
  rte_mempool_obj_iter(g_pool, number_element, nullptr);
  return n;
}

long find_pool() {
  g_pool = rte_mempool_lookup(kPool);
  return g_pool != nullptr ? g_pool->size : kFailed;
}

// All n or none; -1 when one is somebody else's, or is not as it was made.
long take(unsigned n) {
  const std::size_t had = g_elements.size();
  g_elements.resize(had + n);
  if (rte_mempool_get_bulk(g_pool, g_elements.data() + had, n) != 0) return g_elements.resize(had), 0;
  std::set<std::uint64_t> numbers;
  for (std::size_t i = had; i < g_elements.size(); ++i) {
    auto* const element = static_cast<Element*>(g_elements[i]);
    if (element->holders.exchange(1) != 0 || element->number - 1000 >= g_pool->size) return kFailed;
    numbers.insert(element->number);
  }
  return numbers.size() == n ? n : kFailed;
}

long give(std::size_t n) {
  n = std::min(n, g_elements.size());
  const std::size_t left = g_elements.size() - n;
  for (std::size_t i = left; i < g_elements.size(); ++i) static_cast<Element*>(g_elements[i])->holders = 0;
  rte_mempool_put_bulk(g_pool, g_elements.data() + left, static_cast<unsigned>(n));
  g_elements.resize(left);
  return static_cast<long>(n);
}

// Holds `most` at once; returns how many gets found too few.
long churn(unsigned most) {
  long refused = 0;
  for (int round = 0; round < 30'000; ++round) {
    const unsigned room = most - static_cast<unsigned>(g_elements.size());
    if (room > 0 && g_random() % 2 == 0) {
      const long got = take(1 + g_random() % room);
      if (got == kFailed) return kFailed;
      refused += got == 0;
    } else if (!g_elements.empty()) {
      give(1 + g_random() % g_elements.size());
    }
  }
  give(g_elements.size());
  return refused;
}

// ---- the heap ------------------------------------------------------------------------------------------------------

struct Object {
  unsigned char* at;
  std::size_t size;
};
std::vector<Object> g_objects;

bool is_filled(const Object& object, int byte) {
  return std::all_of(object.at, object.at + object.size, [byte](unsigned char c) { return c == byte; });
}

long alloc(std::size_t size, unsigned long n) {
  for (; n > 0; --n) {
    auto* const p = static_cast<unsigned char*>(rte_fastmem_alloc(size, 0, 0));
    if (p == nullptr) return kFailed;
    g_objects.push_back({p, size});
  }
  return static_cast<long>(g_objects.size());
}

long free_objects() {
  for (const Object& object : g_objects) rte_fastmem_free(object.at);
  return g_objects.clear(), 0;
}

long fill(int byte) {
  for (const Object& object : g_objects) std::memset(object.at, byte, object.size);
  return static_cast<long>(g_objects.size());
}

// How many hold that byte and nothing else.
long check(int byte) {
  return std::count_if(g_objects.begin(), g_objects.end(), [byte](const Object& o) { return is_filled(o, byte); });
}

// How many have the device address that EAL tells, at both ends.
long right_iovas() {
  return std::count_if(g_objects.begin(), g_objects.end(), [](const Object& o) {
    const unsigned char* const last = o.at + o.size - 1;
    return rte_fastmem_virt2iova(o.at) == rte_mem_virt2iova(o.at) && rte_fastmem_virt2iova(o.at) != RTE_BAD_IOVA &&
           rte_fastmem_virt2iova(last) == rte_mem_virt2iova(last);
  });
}

// Objects of all sizes come and go, each filled with a byte of its own while it lives.
long work(unsigned long rounds) {
  std::map<unsigned char*, std::pair<std::size_t, int>> live;
  for (; rounds > 0; --rounds) {
    if (live.size() < 400 && g_random() % 8 != 0) {
      const std::size_t size = 1 + g_random() % (std::size_t{1} << (g_random() % 15));
      auto* const p = static_cast<unsigned char*>(rte_fastmem_alloc(size, 0, 0));
      const int byte = static_cast<int>(g_random() % 256);
      if (p == nullptr || !live.try_emplace(p, size, byte).second) return kFailed;
      std::memset(p, byte, size);
    } else if (!live.empty()) {
      auto victim = live.lower_bound(live.rbegin()->first - g_random() % (std::size_t{1} << 20));
      if (!is_filled({victim->first, victim->second.first}, victim->second.second)) return kFailed;
      rte_fastmem_free(victim->first);
      live.erase(victim);
    }
  }
  for (const auto& [p, what] : live) {
    if (!is_filled({p, what.first}, what.second)) return kFailed;
    rte_fastmem_free(p);
  }
  return 0;
}

long zones() {
  long n = 0;
  rte_memzone_walk(
      [](const rte_memzone* zone, void* arg) {
        if (std::strncmp(zone->name, "fastmem", 7) == 0) ++*static_cast<long*>(arg);
      },
      &n);
  return n;
}

long in_use() {
  struct rte_fastmem_stats stats;
  return rte_fastmem_stats(&stats) == 0 ? static_cast<long>(stats.bytes_in_use) : kFailed;
}

// ---- from process to process ---------------------------------------------------------------------------------------

struct Letter {
  std::size_t count;
  Object objects[1000];
};

Letter* letter() {
  const rte_memzone* zone = rte_memzone_lookup("letter");
  if (zone == nullptr) zone = rte_memzone_reserve("letter", sizeof(Letter), SOCKET_ID_ANY, 0);
  return zone != nullptr ? static_cast<Letter*>(zone->addr) : nullptr;
}

long post() {
  Letter* const out = letter();
  if (out == nullptr || g_objects.size() > std::size(out->objects)) return kFailed;
  std::copy(g_objects.begin(), g_objects.end(), out->objects);
  out->count = g_objects.size();
  return static_cast<long>(out->count);
}

long fetch() {
  const Letter* const in = letter();
  if (in == nullptr) return kFailed;
  g_objects.assign(in->objects, in->objects + in->count);
  return static_cast<long>(in->count);
}

// Frees what is another process's heap's: how many have no device address here, before and after.
long foreign() {
  long without = 0;
  for (const Object& object : g_objects) {
    without += rte_fastmem_virt2iova(object.at) == RTE_BAD_IOVA;
    rte_fastmem_free(object.at);
    without += rte_fastmem_virt2iova(object.at) == RTE_BAD_IOVA;
  }
  return g_objects.clear(), without;
}

long obey(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  unsigned long a = 0;
  unsigned long b = 0;
  words >> verb >> a >> b;
  if (verb == "pool") return make_pool(static_cast<unsigned>(a));
  if (verb == "find") return find_pool();
  if (verb == "drop") return rte_mempool_free(g_pool), 0;
  if (verb == "take") return take(static_cast<unsigned>(a));
  if (verb == "give") return give(a);
  if (verb == "count") return rte_mempool_avail_count(g_pool);
  if (verb == "churn") return churn(static_cast<unsigned>(a));
  if (verb == "init") return rte_fastmem_init();
  if (verb == "deinit") return rte_fastmem_deinit(), 0;
  if (verb == "alloc") return alloc(a, b);
  if (verb == "free") return free_objects();
  if (verb == "work") return work(a);
  if (verb == "zones") return zones();
  if (verb == "in_use") return in_use();
  if (verb == "fill") return fill(static_cast<int>(a));
  if (verb == "check") return check(static_cast<int>(a));
  if (verb == "iova") return right_iovas();
  if (verb == "post") return post();
  if (verb == "fetch") return fetch();
  return verb == "foreign" ? foreign() : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  if (rte_eal_init(argc, argv) < 0) return 1;
  std::puts("0");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("%ld\n", obey(line));
    std::fflush(stdout);
  }
  return rte_eal_cleanup() == 0 ? 0 : 1;
}
