// SPDX-License-Identifier: BSD-3-Clause
// The mempool ops `fastmem`: a mempool keeps its promises, and every object can be had from anywhere.
#include <doctest/doctest.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/dpdk/eal_main.h"

namespace fastmem::test {
namespace {

constexpr unsigned kObjectBytes = 64;

struct Object {
  std::uint64_t number;      // written once, when the object is made
  std::atomic<int> holders;  // who has it
};
static_assert(sizeof(Object) <= kObjectBytes);

void number_object(rte_mempool*, void*, void* object, unsigned index) { new (object) Object{index + 1000u, {0}}; }

class Pool {
 public:
  explicit Pool(unsigned n, unsigned cache = 0) {
    static int count = 0;
    mp_ = rte_mempool_create_empty(("pool_" + std::to_string(count++)).c_str(), n, kObjectBytes, cache, 0,
                                   SOCKET_ID_ANY, 0);
    REQUIRE(mp_ != nullptr);
    REQUIRE(rte_mempool_set_ops_byname(mp_, "fastmem", nullptr) == 0);
    REQUIRE(rte_mempool_populate_default(mp_) == static_cast<int>(n));
    rte_mempool_obj_iter(mp_, number_object, nullptr);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { rte_mempool_free(mp_); }

  rte_mempool* get() const { return mp_; }
  unsigned size() const { return mp_->size; }
  unsigned common() const { return rte_mempool_get_ops(mp_->ops_index)->get_count(mp_); }
  // Below the caches of mempool itself.
  bool take(void** out, unsigned n) const { return rte_mempool_ops_dequeue_bulk(mp_, out, n) == 0; }
  void give(void* const* in, unsigned n) const { CHECK(rte_mempool_ops_enqueue_bulk(mp_, in, n) == 0); }

 private:
  rte_mempool* mp_;
};

// Takes all in bulks of `bulk`, then one by one; checks that these are the pool's objects, each once, as they were made.
std::vector<void*> take_all(const Pool& pool, unsigned bulk) {
  std::vector<void*> all;
  std::vector<void*> some(bulk);
  while (pool.take(some.data(), bulk)) all.insert(all.end(), some.begin(), some.end());
  while (pool.take(some.data(), 1)) all.push_back(some[0]);
  std::set<std::uint64_t> numbers;
  for (void* const p : all) numbers.insert(static_cast<Object*>(p)->number);
  CHECK(all.size() == pool.size());
  CHECK(numbers.size() == pool.size());
  if (!numbers.empty()) CHECK((*numbers.begin() == 1000 && *numbers.rbegin() == 999 + pool.size()));
  CHECK(pool.common() == 0);
  return all;
}

void give_all(const Pool& pool, const std::vector<void*>& all, unsigned bulk) {
  for (std::size_t i = 0; i < all.size(); i += bulk) {
    pool.give(all.data() + i, static_cast<unsigned>(std::min<std::size_t>(bulk, all.size() - i)));
  }
}

std::size_t malloced() {
  std::size_t sum = 0;
  for (unsigned i = 0; i < rte_socket_count(); ++i) {
    rte_malloc_socket_stats stats = {};
    REQUIRE(rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &stats) == 0);
    sum += stats.heap_allocsz_bytes;
  }
  return sum;
}

TEST_CASE("every object exactly once, in pools of every size and bulks of every size") {
  for (const unsigned n : {1u, 7u, 8u, 9u, 511u, 512u, 513u, 5000u, 100000u}) {
    const Pool pool(n);
    for (const unsigned bulk : {1u, 3u, 32u, 511u, 512u, 513u, 1500u, 100000u}) {
      CAPTURE(n);
      CAPTURE(bulk);
      CHECK(pool.common() == n);
      const std::vector<void*> all = take_all(pool, bulk);
      give_all(pool, all, bulk);
    }
    CHECK(pool.common() == n);
    CHECK(rte_mempool_full(pool.get()) == 1);
    rte_mempool_audit(pool.get());
  }
}

TEST_CASE("a get that cannot be served takes nothing") {
  const Pool pool(1000);
  std::vector<void*> out(2000);
  CHECK(!pool.take(out.data(), 1001));
  CHECK(!pool.take(out.data(), 2000));
  CHECK(pool.common() == 1000);
  CHECK(pool.take(out.data(), 0));
  REQUIRE(pool.take(out.data(), 1000));
  CHECK(!pool.take(out.data() + 1000, 1));
  pool.give(out.data() + 500, 1);
  CHECK(!pool.take(out.data() + 1000, 2));
  CHECK(pool.take(out.data() + 500, 1));
  pool.give(out.data(), 1000);
  CHECK(pool.common() == 1000);
}

TEST_CASE("whoever gave the objects back, any lcore and any thread gets them all") {
  const std::function<void(const std::function<void()>&)> places[] = {
      [](const auto& body) { body(); },
      [](const auto& body) { REQUIRE(on_worker_lcore(body)); },
      [](const auto& body) { on_plain_thread(body); },
      [](const auto& body) {
        on_plain_thread([&] {
          REQUIRE(rte_thread_register() == 0);
          body();
          rte_thread_unregister();
        });
      },
  };
  for (const unsigned n : {7u, 600u, 20000u}) {
    const Pool pool(n);
    for (const auto& giver : places) {
      for (const auto& taker : places) {
        // Each place holds a share; the taker gets the sum, one by one and all at once.
        for (const unsigned bulk : {1u, n}) {
          std::vector<void*> all = take_all(pool, 32);
          giver([&] { pool.give(all.data(), n / 2); });
          on_plain_thread([&] { pool.give(all.data() + n / 2, n - n / 2); });
          CHECK(pool.common() == n);
          taker([&] { all = take_all(pool, bulk); });
          give_all(pool, all, 64);
        }
      }
    }
  }
}

// ---- many at once --------------------------------------------------------------------------------------------------

// Gets and puts bulks of any size; nobody else may have an object meanwhile. `limit`: the most it holds.
void churn(const Pool& pool, unsigned limit, int rounds, unsigned seed, std::atomic<long>& wrong,
           std::atomic<long>& failed) {
  std::mt19937 random(seed);
  std::vector<void*> held;
  for (int i = 0; i < rounds; ++i) {
    const unsigned room = limit - static_cast<unsigned>(held.size());
    if (room > 0 && random() % 2 == 0) {
      const unsigned n = 1 + random() % room;
      held.resize(held.size() + n);
      if (pool.take(held.data() + held.size() - n, n)) {
        for (std::size_t k = held.size() - n; k < held.size(); ++k) {
          auto* const object = static_cast<Object*>(held[k]);
          if (object->holders.exchange(1) != 0 || object->number - 1000 >= pool.size()) ++wrong;
        }
      } else {
        held.resize(held.size() - n);
        ++failed;
      }
    } else if (!held.empty()) {
      const unsigned n = 1 + random() % static_cast<unsigned>(held.size());
      for (std::size_t k = held.size() - n; k < held.size(); ++k) static_cast<Object*>(held[k])->holders = 0;
      pool.give(held.data() + held.size() - n, n);
      held.resize(held.size() - n);
    }
  }
  for (void* const p : held) static_cast<Object*>(p)->holders = 0;
  if (!held.empty()) pool.give(held.data(), static_cast<unsigned>(held.size()));
}

struct Crowd {
  unsigned limit;
  int rounds;
  unsigned registered, plain;
};

// The main and a worker lcore, registered threads and plain ones: more than there are processors.
void churn_all(const Pool& pool, const Crowd& crowd, std::atomic<long>& wrong, std::atomic<long>& failed) {
  std::vector<std::thread> threads;
  unsigned seed = 1;
  const auto run = [&](unsigned its_seed) { churn(pool, crowd.limit, crowd.rounds, its_seed, wrong, failed); };
  for (unsigned i = 0; i < crowd.registered; ++i) {
    threads.emplace_back([&, its_seed = ++seed] {
      if (rte_thread_register() != 0) ++wrong;
      run(its_seed);
      rte_thread_unregister();
    });
  }
  for (unsigned i = 0; i < crowd.plain; ++i) threads.emplace_back(run, ++seed);
  threads.emplace_back([&] {
    if (!on_worker_lcore([&] { run(999); })) ++wrong;
  });
  for (std::thread& t : threads) t.join();
}

TEST_CASE("lcores and plain threads, more than processors: as long as there is enough, no get fails") {
  std::atomic<long> wrong{0}, failed{0};
  for (const unsigned limit : {1u, 5u, 40u, 700u}) {
    const Crowd crowd{limit, 4000, 3, 3};
    const Pool pool(limit * (crowd.registered + crowd.plain + 1));  // each may hold `limit` at once, none is to spare
    CAPTURE(limit);
    churn_all(pool, crowd, wrong, failed);
    CHECK(wrong == 0);
    CHECK(failed == 0);
    CHECK(pool.common() == pool.size());
    take_all(pool, 32);
  }
}

TEST_CASE("lcores and plain threads out of a pool that is too small: gets fail, nothing gets lost") {
  std::atomic<long> wrong{0}, failed{0};
  for (const unsigned size : {1u, 8u, 60u, 1000u}) {
    const Pool pool(size);
    CAPTURE(size);
    churn_all(pool, {size, 4000, 3, 3}, wrong, failed);
    CHECK(wrong == 0);
    CHECK(pool.common() == pool.size());
    take_all(pool, 32);
  }
  CHECK(failed > 0);
}

TEST_CASE("more registered threads than places of their own") {
  std::atomic<long> wrong{0}, failed{0};
  const Crowd crowd{20, 500, 40, 2};
  const Pool pool(crowd.limit * 43);
  churn_all(pool, crowd, wrong, failed);
  CHECK(wrong == 0);
  CHECK(failed == 0);
  CHECK(pool.common() == pool.size());
}

// ---- a pool's life -------------------------------------------------------------------------------------------------

TEST_CASE("with the caches of mempool above") {
  const Pool pool(20000, 512);
  std::vector<void*> all(20000);
  for (int round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < 10000; ++i) REQUIRE(rte_mempool_get(pool.get(), &all[i]) == 0);
    CHECK(rte_mempool_in_use_count(pool.get()) == 10000);
    for (unsigned i = 0; i < 10000; ++i) rte_mempool_put(pool.get(), all[i]);
    CHECK(rte_mempool_avail_count(pool.get()) == 20000);
  }
}

TEST_CASE("pools come and go, also with objects out, and leave no memory behind") {
  { const Pool first(1000); }
  const std::size_t before = malloced();
  for (int i = 0; i < 100; ++i) {
    const Pool pool(1 + 37u * static_cast<unsigned>(i), i % 3 == 1 ? 16 : 0);
    void* out[1];
    REQUIRE(pool.take(out, 1));
    REQUIRE(on_worker_lcore([&] { CHECK(pool.take(out, 1) == (i > 0)); }));
  }
  CHECK(malloced() == before);
}

TEST_CASE("a small pool's pointers take little memory, a large one's at most 32 bytes per object") {
  const auto cost = [](unsigned n) {
    rte_mempool* const mp = rte_mempool_create_empty("costs", n, 64, 0, 0, SOCKET_ID_ANY, 0);
    REQUIRE(mp != nullptr);
    REQUIRE(rte_mempool_set_ops_byname(mp, "fastmem", nullptr) == 0);
    const std::size_t before = malloced();
    REQUIRE(rte_mempool_get_ops(mp->ops_index)->alloc(mp) == 0);
    const std::size_t after = malloced();
    rte_mempool_get_ops(mp->ops_index)->free(mp);
    mp->pool_data = nullptr;
    rte_mempool_free(mp);
    CHECK(malloced() <= before);
    MESSAGE(n, " objects: ", after - before, " bytes");
    return after - before;
  };
  CHECK(cost(8) < 64 * 1024);
  CHECK(cost(16384) < 32 * 16384);
  CHECK(cost(1'000'000) < 32 * 1'000'000);
}

TEST_CASE("more pointers than a pool has objects are refused, and it lives on") {
  const Pool pool(100);
  void* p = nullptr;
  REQUIRE(pool.take(&p, 1));
  int refused = 0;
  for (int i = 0; i < 100'000 && refused == 0; ++i) refused += rte_mempool_ops_enqueue_bulk(pool.get(), &p, 1) != 0;
  CHECK(refused == 1);
  CHECK(pool.take(&p, 1));
}

}  // namespace
}  // namespace fastmem::test
