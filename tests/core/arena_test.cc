// SPDX-License-Identifier: BSD-3-Clause
// The memory of the heap's own books: zeroed, aligned, recycled, bounded.
#include "core/arena.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "tests/core/workbench.h"
#include "tests/support/skip.h"

namespace fastmem::core {
namespace {

struct Books {
  explicit Books(Bytes size) : memory(size, false), arena(memory.get(), memory.size()) {}
  Memory memory;
  Arena arena;
};

bool all_zero(const void* p, std::size_t n) {
  const auto* const bytes = static_cast<const unsigned char*>(p);
  return std::all_of(bytes, bytes + n, [](unsigned char b) { return b == 0; });
}

TEST_CASE("made memory is zeroed, aligned, disjoint and counted") {
  Books books(kMiB * 4);
  std::byte* last_end = nullptr;
  for (const std::size_t align : {8, 64, 128, 4096}) {
    for (const std::size_t size : {1, 24, 64, 1000, 300'000}) {
      auto* const p = static_cast<std::byte*>(books.arena.make(Bytes{size}, align));
      REQUIRE(p != nullptr);
      CHECK(reinterpret_cast<std::uintptr_t>(p) % align == 0);
      CHECK(p >= last_end);
      CHECK(all_zero(p, size));
      std::memset(p, 0xff, size);
      last_end = p + size;
      CHECK(books.arena.bytes().rep ==
            static_cast<std::size_t>(last_end - static_cast<std::byte*>(books.memory.get())));
    }
  }
}

TEST_CASE("what is prepared is there before it is touched, and no more of it is counted") {
  Books books(kMiB);
  REQUIRE(books.arena.make(Bytes{100}) != nullptr);
  const Bytes before = books.arena.bytes();
  books.arena.prepare(kKiB * 64);
  CHECK(books.arena.bytes() == before);
  unsigned char resident[16] = {};
  REQUIRE(mincore(books.memory.get(), sizeof(resident) * kSmallPage.rep, resident) == 0);
  if (std::none_of(resident + 1, resident + 16, [](unsigned char r) { return (r & 1) != 0; })) {
    FM_SKIP("this kernel has no MADV_POPULATE_WRITE");
  }
  CHECK(std::all_of(resident, resident + 16, [](unsigned char r) { return (r & 1) != 0; }));
  books.arena.prepare(kMiB * 2);  // more than there is: nothing happens
  CHECK(books.arena.make(kKiB * 900) != nullptr);
}

TEST_CASE("a used-up arena says so, to the last byte") {
  Books books(kKiB * 512);
  CHECK(books.arena.make(kKiB * 512 + Bytes{1}) == nullptr);
  CHECK(books.arena.make(kKiB * 512) != nullptr);
  CHECK(books.arena.make(Bytes{1}) == nullptr);
  CHECK(books.arena.take(Bytes{64}) == nullptr);
  CHECK(books.arena.bytes() == kKiB * 512);
}

TEST_CASE("sizes beyond any arena are refused, not looked up") {
  Books books(kMiB);
  for (unsigned shift = 20; shift < sizeof(std::size_t) * 8; ++shift) {
    INFO(shift);
    CHECK(books.arena.take(Bytes{(std::size_t{1} << shift) + 1}) == nullptr);
    CHECK(books.arena.make(Bytes{(std::size_t{1} << shift) + 1}) == nullptr);
  }
  CHECK(books.arena.make(kUnlimited) == nullptr);
  CHECK(books.arena.take(Bytes{64}) != nullptr);
}

TEST_CASE("what was given back comes again, per power of two") {
  Books books(kMiB * 4);
  void* const small = books.arena.take(Bytes{64});
  void* const large = books.arena.take(Bytes{1000});
  REQUIRE(small != nullptr);
  REQUIRE(large != nullptr);
  std::memset(large, 1, 1024);  // rounded up: all of it is ours
  books.arena.recycle(small, Bytes{64});
  books.arena.recycle(large, Bytes{1000});
  const Bytes before = books.arena.bytes();
  CHECK(books.arena.take(Bytes{513}) == large);
  CHECK(books.arena.take(Bytes{1}) == small);
  CHECK(books.arena.bytes() == before);
  CHECK(books.arena.take(Bytes{64}) != small);
}

TEST_CASE("a table outside becomes writable, and is counted") {
  Books books(kMiB);
  const Memory table(kMiB, false);
  auto* const bytes = static_cast<volatile char*>(table.get());
  CHECK(bytes[5000] == 0);
  REQUIRE(books.arena.open_table(static_cast<std::byte*>(table.get()) + 5000, Bytes{10'000}));
  CHECK(books.arena.bytes().rep == 10'000);
  bytes[5000] = 1;
  bytes[14'999] = 1;
  books.arena.close_table(Bytes{10'000});
  CHECK(books.arena.bytes().rep == 0);
}

TEST_CASE("several threads never get the same piece") {
  Books books(kMiB * 16);
  std::vector<std::vector<void*>> got(3);
  std::vector<std::thread> threads;
  for (auto& mine : got) {
    threads.emplace_back([&mine, &books] {
      for (unsigned i = 0; i < 3000; ++i) {
        void* const p = books.arena.take(Bytes{256});
        if (p == nullptr) return;
        std::memset(p, 0x5a, 256);
        if (i % 3 == 0) {
          books.arena.recycle(p, Bytes{256});
        } else {
          mine.push_back(p);
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  std::set<void*> all;
  for (const auto& mine : got) {
    CHECK(mine.size() == 2000);
    for (void* const p : mine) CHECK(all.insert(p).second);
  }
}

}  // namespace
}  // namespace fastmem::core
