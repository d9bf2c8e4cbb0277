// SPDX-License-Identifier: BSD-3-Clause
// Memory given back to the system while other threads grow the heap: does every object stay whole, and nothing get
// lost?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/sanitizers.h"

namespace fastmem {
namespace {

using test::CHeap;

constexpr int kRounds = test::kShadowMemory ? 60 : 400;

// Fills regions of its own and lets them go again; other threads' objects lie between.
void breathe(const CHeap& heap, unsigned char mark, std::atomic<unsigned>& wrong) {
  std::vector<void*> objects;
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t size = std::size_t{4096} << (round + mark) % 8;
    objects.resize(4 * test::kMegabyte / size);
    if (fastmem_heap_alloc_bulk(heap, objects.data(), objects.size(), size, 0, 0, FASTMEM_NODE_ANY) != 0) ++wrong;
    for (void* const p : objects) {
      std::memset(p, mark, 64);
      static_cast<unsigned char*>(p)[size - 1] = mark;
    }
    for (void* const p : objects) {
      const auto* const bytes = static_cast<unsigned char*>(p);
      if (bytes[0] != mark || bytes[63] != mark || bytes[size - 1] != mark) ++wrong;
    }
    if (heap.free_all(objects) != 0) ++wrong;
    if (round % 8 == mark) fastmem_flush(heap);
  }
}

void run(unsigned breathers, unsigned trimmers) {
  const CHeap heap;
  std::atomic<bool> done{false};
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> trimming;
  for (unsigned t = 0; t < trimmers; ++t) {
    trimming.emplace_back([&] {
      while (!done) {
        fastmem_trim(heap);
        heap.stats();
        std::this_thread::yield();
      }
    });
  }
  std::vector<std::thread> breathing;
  for (unsigned t = 0; t < breathers; ++t) {
    breathing.emplace_back([&, t] { breathe(heap, static_cast<unsigned char>(t + 1), wrong); });
  }
  for (std::thread& thread : breathing) thread.join();
  done = true;
  for (std::thread& thread : trimming) thread.join();
  CHECK(wrong == 0);
  CHECK(heap.stats().bytes_in_use == 0);
  CHECK(heap.stats().misuse == 0);
  fastmem_trim(heap);
  CHECK(heap.stats().bytes_backing == 0);
  CHECK(heap.stats().regions == 0);
}

TEST_CASE("one thread trims while three grow the heap") { run(3, 1); }
TEST_CASE("two threads trim at once") { run(2, 2); }

}  // namespace
}  // namespace fastmem
