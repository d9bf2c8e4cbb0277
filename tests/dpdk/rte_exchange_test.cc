// SPDX-License-Identifier: BSD-3-Clause
// Objects handed between lcores and threads: contents arrive with the pointer, nobody gets another's object, and memory
// circulates without growth.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "tests/dpdk/rte_guard.h"

namespace fastmem::test {
namespace {

struct Message {
  std::uint64_t size;
  std::uint64_t number;
  std::uint64_t sum;
  unsigned char bytes[1];
};
constexpr std::size_t kHead = offsetof(Message, bytes);

std::uint64_t checksum(const Message& m) {
  std::uint64_t sum = m.size * 31 + m.number;
  for (std::size_t i = 0; i < m.size - kHead; ++i) sum = sum * 131 + m.bytes[i];
  return sum;
}

Message* make_message(std::size_t size, std::uint64_t number) {
  auto* const m = static_cast<Message*>(rte_fastmem_alloc(size, 8, 0));
  if (m == nullptr) return nullptr;
  m->size = size;
  m->number = number;
  std::memset(m->bytes, static_cast<int>(number * 7 & 0xff), size - kHead);
  m->sum = checksum(*m);
  return m;
}

// A queue that threads wait at. Not rte_ring: the thread sanitizer does not see how its producers order each other.
class Queue {
 public:
  void put(void* p) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.size() < kMost; });
    waiting_.push_back(p);
    changed_.notify_all();
  }
  void* get() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    return take_first();
  }
  bool try_put(void* p) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMost) return false;
    waiting_.push_back(p);
    return true;
  }
  void* try_get() {
    const std::lock_guard lock(mutex_);
    return waiting_.empty() ? nullptr : take_first();
  }

 private:
  static constexpr std::size_t kMost = 1024;

  void* take_first() {
    void* const p = waiting_.front();
    waiting_.pop_front();
    if (waiting_.size() < kMost / 2) changed_.notify_all();
    return p;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<void*> waiting_;
};

constexpr int kMessages = 16000;

void produce(Queue& queue, unsigned seed, std::atomic<int>& wrong) {
  std::mt19937 random(seed);
  for (int i = 0; i < kMessages; ++i) {
    Message* const m = make_message(kHead + 1 + random() % 2000, static_cast<std::uint64_t>(i));
    if (m == nullptr) ++wrong;
    queue.put(m);
  }
}

void consume(Queue& queue, int n, std::atomic<int>& wrong) {
  void* batch[32];
  unsigned waiting = 0;
  for (int i = 0; i < n; ++i) {
    auto* const m = static_cast<Message*>(queue.get());
    if (m == nullptr) continue;
    if (m->sum != checksum(*m)) ++wrong;
    std::memset(static_cast<void*>(m), 0xdb, m->size);  // who still uses it would notice
    if (i % 3 == 0) {
      rte_fastmem_free(m);
    } else {
      batch[waiting++] = m;
    }
    if (waiting == 32) rte_fastmem_free_bulk(batch, std::exchange(waiting, 0));
  }
  rte_fastmem_free_bulk(batch, waiting);
}

TEST_CASE("main lcore to a plain thread: every message arrives whole") {
  const Initialised heap;
  Queue queue;
  std::atomic<int> wrong{0};
  std::thread consumer([&] { consume(queue, kMessages, wrong); });
  produce(queue, 1, wrong);
  consumer.join();
  CHECK(wrong == 0);
  CHECK(totals().bytes_in_use == 0);
  CHECK(totals().free_total == kMessages);
}

TEST_CASE("plain threads to a worker lcore: every message arrives whole") {
  const Initialised heap;
  Queue queue;
  std::atomic<int> wrong{0};
  std::thread one([&] { produce(queue, 2, wrong); });
  std::thread two([&] { produce(queue, 3, wrong); });
  const bool there = on_worker_lcore([&] { consume(queue, 2 * kMessages, wrong); });
  one.join();
  two.join();
  REQUIRE(there);
  CHECK(wrong == 0);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("a producer and a consumer of one size go on in memory that does not grow") {
  const Initialised heap;
  Queue queue;
  std::uint64_t settled = 0;
  for (int round = 0; round < 5; ++round) {
    std::thread consumer([&] {
      for (int i = 0; i < kMessages; ++i) rte_fastmem_free(queue.get());
    });
    for (int i = 0; i < kMessages; ++i) {
      void* const p = rte_fastmem_alloc(2048, 0, 0);
      if (p == nullptr) FAIL_CHECK("no memory");
      queue.put(p);
    }
    consumer.join();
    CHECK(totals().bytes_in_use == 0);
    if (round == 0) settled = totals().bytes_backing;
    CHECK(totals().bytes_backing == settled);
  }
}

TEST_CASE("three threads take and give each other's objects of all sizes; all stay whole") {
  const Initialised heap;
  Queue queue;
  std::atomic<int> wrong{0};
  const auto trade = [&](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<Message*> mine;
    for (int i = 0; i < kMessages; ++i) {
      if (random() % 2 == 0 || mine.size() < 4) {
        const std::size_t most = random() % 100 == 0 ? 100000 : 500;
        if (Message* const m = make_message(kHead + 1 + random() % most, seed * 1000000u + i)) mine.push_back(m);
      } else {
        std::swap(mine[random() % mine.size()], mine.back());
        if (queue.try_put(mine.back())) mine.pop_back();
      }
      if (auto* const m = static_cast<Message*>(random() % 2 == 0 ? queue.try_get() : nullptr); m != nullptr) {
        if (m->sum != checksum(*m)) ++wrong;
        rte_fastmem_free(m);
      }
    }
    for (Message* const m : mine) {
      if (m->sum != checksum(*m)) ++wrong;
      rte_fastmem_free(m);
    }
  };
  std::thread one(trade, 11);
  std::thread two(trade, 12);
  trade(13);
  one.join();
  two.join();
  while (void* const p = queue.try_get()) rte_fastmem_free(p);
  CHECK(wrong == 0);
  CHECK(totals().bytes_in_use == 0);
}

TEST_CASE("a handle serves all threads; objects by it travel as others do") {
  const Initialised heap;
  Queue queue;
  rte_fastmem_handle_t handle;
  REQUIRE(rte_fastmem_hlookup(16, 8, SOCKET_ID_ANY, &handle) == 0);
  std::atomic<int> wrong{0};
  std::thread consumer([&] {
    void* batch[16];
    for (int i = 0; i < kMessages / 16; ++i) {
      for (void*& p : batch) {
        p = queue.get();
        const auto* const words = static_cast<const std::uint64_t*>(p);
        if (words[0] != ~words[1]) ++wrong;
      }
      rte_fastmem_hfree_bulk(handle, batch, 16);
    }
  });
  for (int i = 0; i < kMessages / 16; ++i) {
    void* batch[16];
    if (rte_fastmem_halloc_bulk(handle, batch, 16, RTE_FASTMEM_F_ZERO) != 0) ++wrong;
    for (void* const p : batch) {
      auto* const words = static_cast<std::uint64_t*>(p);
      if (words[0] != 0 || words[1] != 0) ++wrong;
      words[0] = reinterpret_cast<std::uintptr_t>(p);
      words[1] = ~words[0];
      queue.put(p);
    }
  }
  consumer.join();
  CHECK(wrong == 0);
  CHECK(of_class(16).in_use == 0);
}

TEST_CASE("objects outlive the thread that took them") {
  const Initialised heap;
  std::vector<void*> objects;
  on_plain_thread([&] {
    objects = take(1000, 500);
    for (void* const p : objects) std::memset(p, 0x39, 500);
  });
  bool intact = true;
  std::vector<void*> others = take(1000, 500);
  for (void* const p : others) std::memset(p, 0, 500);
  for (void* const p : objects) intact = intact && all_bytes_are(p, 0x39, 500);
  CHECK(intact);
  give(objects);
  give(others);
  CHECK(of_class(512).in_use == 0);
}

}  // namespace
}  // namespace fastmem::test
