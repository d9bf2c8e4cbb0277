// SPDX-License-Identifier: BSD-3-Clause
// Threads that allocate, hand objects around in rings and free each other's: does an object ever belong to two?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/sanitizers.h"

namespace fastmem {
namespace {

using test::CHeap;

constexpr unsigned kThreads = 6;
constexpr int kSteps = test::kShadowMemory ? 10000 : 100000;

// What its allocator wrote into an object, for whoever frees it.
struct Header {
  std::uint64_t mark;
  std::uint32_t size;
  bool resized;  // realloc may have left it in a larger class than its size says: it is freed without a size
};

std::uint64_t mark_of(const void* p, std::size_t size) {
  return (reinterpret_cast<std::uintptr_t>(p) ^ size * 0x9e3779b97f4a7c15) | 1;
}

void sign(void* p, std::size_t size, bool resized = false) {
  const Header header = {mark_of(p, size), static_cast<std::uint32_t>(size), resized};
  std::memcpy(p, &header, sizeof(header));
  static_cast<unsigned char*>(p)[size - 1] = static_cast<unsigned char>(size);
}

// The size; 0: somebody else wrote here.
std::size_t check_and_blot(void* p) {
  Header header;
  std::memcpy(&header, p, sizeof(header));
  if (header.mark != mark_of(p, header.size)) return 0;
  if (header.size > sizeof(header) &&
      static_cast<unsigned char*>(p)[header.size - 1] != static_cast<unsigned char>(header.size)) {
    return 0;
  }
  std::memset(p, 0, sizeof(header));
  return header.size;
}

// Cells that any thread fills and empties.
class Ring {
 public:
  // Puts p there and returns what was.
  void* swap(std::size_t at, void* p) { return cells_[at % kCells].exchange(p, std::memory_order_acq_rel); }

  template <class Visit>
  void drain(Visit visit) {
    for (auto& cell : cells_) {
      if (void* const p = cell.exchange(nullptr)) visit(p);
    }
  }

 private:
  static constexpr std::size_t kCells = 2000;
  std::array<std::atomic<void*>, kCells> cells_ = {};
};

class Worker {
 public:
  Worker(const CHeap& heap, Ring& ring, unsigned seed) : heap_(heap), ring_(ring), random_(seed) {
    for (std::size_t i = 0; i < handles_.size(); ++i) {
      REQUIRE(fastmem_handle(heap, handle_size(i), 0, FASTMEM_NODE_ANY, &handles_[i]) == 0);
    }
  }

  void run() {
    for (int i = 0; i < kSteps; ++i) {
      switch (random_() % 32) {
        case 0:
          bulk();
          break;
        case 1:
          by_handle();
          break;
        case 2:
          resize();
          break;
        case 3:
          if (random_() % 64 == 0) fastmem_flush(heap_);
          break;
        case 4:
          if (random_() % 256 == 0) fastmem_trim(heap_);
          break;
        default:
          single();
          break;
      }
    }
  }

  void give_back(void* p) {
    const bool resized = static_cast<const Header*>(p)->resized;
    const std::size_t size = check_and_blot(p);
    wrong += size == 0 ? 1 : 0;
    const int result = resized || random_() % 2 == 0 ? heap_.free(p) : fastmem_heap_free_sized(heap_, p, size);
    wrong += result != 0 ? 1 : 0;
  }

  unsigned wrong = 0;

 private:
  static std::size_t handle_size(std::size_t i) { return 16 << i; }

  std::size_t some_size() { return sizeof(Header) + (random_() >> random_() % 26 & 0xffff); }

  void pass_on(void* p) {
    if (void* const other = ring_.swap(random_(), p)) give_back(other);
  }

  void single() {
    const std::size_t size = some_size();
    void* const p = heap_.alloc(size);
    if (p == nullptr) return;
    sign(p, size);
    pass_on(p);
  }
  void bulk() {
    const std::size_t size = sizeof(Header) + random_() % 500;
    std::vector<void*> objects(1 + random_() % 200);
    if (fastmem_heap_alloc_bulk(heap_, objects.data(), objects.size(), size, 0, 0, FASTMEM_NODE_ANY) != 0) return;
    for (void* const p : objects) sign(p, size);
    for (std::size_t i = 0; i < objects.size() / 2; ++i) pass_on(objects[i]);
    for (std::size_t i = objects.size() / 2; i < objects.size(); ++i)
      wrong += check_and_blot(objects[i]) == size ? 0 : 1;
    const std::size_t half = objects.size() / 2;
    wrong += fastmem_heap_free_bulk(heap_, objects.data() + half, objects.size() - half) == 0 ? 0 : 1;
  }
  void by_handle() {
    const std::size_t i = random_() % handles_.size();
    void* const p = fastmem_handle_alloc(heap_, handles_[i], random_() % 4 == 0 ? FASTMEM_ZERO : 0);
    if (p == nullptr) return;
    sign(p, handle_size(i));
    if (random_() % 2 == 0) return pass_on(p);
    wrong += check_and_blot(p) == handle_size(i) ? 0 : 1;
    wrong += fastmem_handle_free(heap_, handles_[i], p) == 0 ? 0 : 1;
  }
  void resize() {
    void* p = ring_.swap(random_(), nullptr);
    if (p == nullptr) return;
    const std::size_t old_size = check_and_blot(p);
    wrong += old_size == 0 ? 1 : 0;
    const std::size_t size = some_size();
    if (void* const moved = fastmem_heap_realloc(heap_, p, size, 0)) {
      sign(moved, size, true);
      pass_on(moved);
    } else {
      sign(p, old_size, true);
      give_back(p);
    }
  }

  const CHeap& heap_;
  Ring& ring_;
  std::mt19937 random_;
  std::array<fastmem_handle_t, 8> handles_ = {};
};

void run_threads(const fastmem_config_t& config) {
  const CHeap heap(config);
  Ring ring;
  std::vector<Worker> workers;
  for (unsigned t = 0; t < kThreads; ++t) workers.emplace_back(heap, ring, t + 1);
  std::vector<std::thread> threads;
  for (Worker& worker : workers) threads.emplace_back([&worker] { worker.run(); });
  for (std::thread& thread : threads) thread.join();
  ring.drain([&](void* p) { workers[0].give_back(p); });
  for (const Worker& worker : workers) CHECK(worker.wrong == 0);
  fastmem_flush(heap);
  CHECK(heap.stats().misuse == 0);
  CHECK(heap.stats().bytes_in_use == 0);
  CHECK(heap.stats().alloc_total == heap.stats().free_total);
  fastmem_trim(heap);
  CHECK(heap.stats().bytes_backing == 0);
}

TEST_CASE("plenty of memory") { run_threads(test::small_config()); }

TEST_CASE("powers of two, aligned to cache lines") {
  fastmem_config_t config = test::small_config();
  config.profile = FASTMEM_PROFILE_RFC;
  config.default_align = 64;
  run_threads(config);
}

TEST_CASE("at a limit: threads take from each other's caches all the time") {
  fastmem_config_t config = test::small_config();
  config.limit_per_node = 7 * test::kMegabyte + 333;
  run_threads(config);
}

}  // namespace
}  // namespace fastmem
