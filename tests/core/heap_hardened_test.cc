// SPDX-License-Identifier: BSD-3-Clause
// A hardened heap: each option does its thing, the others do not, and objects are what they always were.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/reserved_tables.h"
#include "core/waiting_room.h"
#include "tests/core/test_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/format.h"
#include "tests/support/log_capture.h"

namespace fastmem::core {
namespace {

using test::format;
using test::LogCapture;
using test::run_in_child;

TestHeap::Setup hardened(const char* words) {
  TestHeap::Setup setup;
  REQUIRE(parse_hardening(words, setup.config.hardening).ok());
  return setup;
}

constexpr const char* kEach[] = {"random", "zero", "guards", "delay", "encode", "arena", "sized", "all"};
constexpr std::size_t kSizes[] = {1, 16, 100, 4096, 5000, 65536, 300'000, 1u << 20, (1u << 20) + 1, 5u << 20};

std::vector<void*> take(const TestHeap& heap, std::size_t size, std::size_t n) {
  std::vector<void*> all(n);
  for (void*& p : all) REQUIRE((p = heap->alloc(size)) != nullptr);
  return all;
}

// Where the objects lie, seen from the lowest one.
std::vector<std::ptrdiff_t> distances(const std::vector<void*>& all) {
  const auto* const least = static_cast<const std::byte*>(*std::min_element(all.begin(), all.end()));
  std::vector<std::ptrdiff_t> d;
  for (void* const p : all) d.push_back(static_cast<const std::byte*>(p) - least);
  return d;
}

// What a fault or a message in a child comes to; it has a heap of its own.
int signal_of(const std::function<void()>& body) {
  return run_in_child([&] {
           body();
           return std::string("nothing happened");
         })
      .signal;
}

TEST_CASE("with each option, and all: objects are whole, distinct, and go back without a word") {
  for (const Profile profile : {Profile::kFine, Profile::kRfc}) {
    for (const char* const words : kEach) {
      INFO(std::string(words));
      TestHeap::Setup setup = hardened(words);
      setup.config.profile = profile;
      setup.backing.window = kMiB * 1024;
      const TestHeap heap(setup);
      const LogCapture log;
      for (int round = 0; round < 3; ++round) {
        std::vector<std::byte*> all;
        std::vector<std::size_t> sizes;
        for (const std::size_t size : kSizes) {
          for (int i = 0; i < (size > 100'000 ? 3 : 100); ++i) {
            auto* const p = static_cast<std::byte*>(heap->alloc(size));
            REQUIRE(p != nullptr);
            CHECK(heap->usable_size(p) >= size);
            std::memset(p, static_cast<int>(all.size() % 255 + 1), size);
            all.push_back(p);
            sizes.push_back(size);
          }
        }
        heap->check_invariants();
        for (std::size_t i = 0; i < all.size(); ++i) {
          REQUIRE(all_bytes(all[i], sizes[i], static_cast<unsigned char>(i % 255 + 1)));
          const ErrorCode code = i % 2 == 0 ? heap->free(all[i]) : heap->free_sized(all[i], sizes[i]);
          CHECK(code == ErrorCode::kOk);
        }
        void* bulk[70];
        REQUIRE(heap->alloc_bulk(bulk, 70, 200) == ErrorCode::kOk);
        CHECK(std::set<void*>(bulk, bulk + 70).size() == 70);
        CHECK(heap->free_bulk(bulk, 70) == ErrorCode::kOk);
        const Handle handle = *heap->handle(300, 0, kAnyNode);
        void* const by_handle = heap->alloc(handle);
        REQUIRE(by_handle != nullptr);
        CHECK(heap->free(handle, by_handle) == ErrorCode::kOk);
      }
      heap->trim();
      CHECK(heap.backing.held().rep == 0);
      CHECK(heap->stats().misuses == 0);
      CHECK(log.count(LogLevel::kError, "") == 0);
      heap.check_laws(0);
    }
  }
}

// ---- random order ----------------------------------------------------------------------------------------------------

TEST_CASE("random: two heaps hand out one class in two orders, and not ascending; else in the same one") {
  const auto order_of = [](const char* words) {
    const TestHeap heap(hardened(words));
    return distances(take(heap, 64, 300));
  };
  CHECK(order_of("none") == order_of("none"));
  const auto one = order_of("random");
  CHECK(one != order_of("random"));
  CHECK_FALSE(std::is_sorted(one.begin(), one.end()));
}

TEST_CASE("random: what was freed in one order comes out of magazines in another") {
  const TestHeap heap(hardened("random"));
  constexpr std::size_t kMany = 4000;
  std::vector<void*> all = take(heap, 64, kMany);
  for (void* const p : all) heap->free(p);
  const std::vector<void*> again = take(heap, 64, kMany);
  // The loaded magazine is a stack, which the hot path pops; those behind it are shuffled.
  std::size_t reversed = 0;
  for (std::size_t i = 0; i < kMany; ++i) reversed += again[i] == all[kMany - 1 - i] ? 1 : 0;
  CHECK(reversed < kMany / 2);
}

// ---- zero on free ------------------------------------------------------------------------------------------------------

TEST_CASE("zero: a freed object reads 0, of every size, and so does a new one; dirty memory is no excuse") {
  TestHeap::Setup setup = hardened("zero");
  setup.backing.dirty = true;
  const TestHeap heap(setup);
  for (const std::size_t size : kSizes) {
    INFO(size);
    for (int round = 0; round < 3; ++round) {
      auto* const p = static_cast<std::byte*>(heap->alloc(size));
      REQUIRE(p != nullptr);
      const std::size_t usable = heap->usable_size(p);
      CHECK(all_bytes(p, usable, 0));
      std::memset(p, 0x77, usable);
      heap->free(p);
      CHECK(all_bytes(p, usable, 0));
    }
  }
  CHECK(heap->stats().misuses == 0);
}

TEST_CASE("zero: by bulk, by handle, by realloc, shrunk in place") {
  const TestHeap heap(hardened("zero"));
  void* bulk[20];
  REQUIRE(heap->alloc_bulk(bulk, 20, 128) == ErrorCode::kOk);
  for (void* const p : bulk) std::memset(p, 1, 128);
  heap->free_bulk(bulk, 20);
  for (void* const p : bulk) CHECK(all_bytes(p, 128, 0));
  const Handle handle = *heap->handle(128, 0, kAnyNode);
  void* const by_handle = heap->alloc(handle);
  std::memset(by_handle, 1, 128);
  heap->free(handle, by_handle);
  CHECK(all_bytes(by_handle, 128, 0));
  void* const old = heap->alloc(128);
  std::memset(old, 1, 128);
  void* const moved = heap->realloc(old, 5000, 0);
  CHECK(all_bytes(old, 128, 0));
  CHECK(all_bytes(moved, 128, 1));
  heap->free(moved);
  auto* const large = static_cast<std::byte*>(heap->alloc(3u << 20));
  std::memset(large, 1, 3u << 20);
  REQUIRE(heap->realloc(large, 2u << 20, 0) == large);
  CHECK(all_bytes(large + (2u << 20), 1u << 20, 0));
  CHECK(all_bytes(large, 2u << 20, 1));
  heap->free(large);
}

TEST_CASE("zero: a write after free is named with its byte when the memory comes again, and that memory stays away") {
  const TestHeap heap(hardened("zero"));
  auto* const p = static_cast<std::byte*>(heap->alloc(100));
  heap->free(p);
  p[13] = std::byte{1};
  const LogCapture log;
  const std::vector<void*> all = take(heap, 100, 2000);
  CHECK(std::find(all.begin(), all.end(), p) == all.end());
  CHECK(log.count(LogLevel::kError, format("written after it was freed: %p, byte 13 of an object of class 112, node 0",
                                           static_cast<void*>(p + 13))) == 1);
  CHECK(heap->stats().misuses == 1);
}

TEST_CASE("zero: the same of a large object") {
  const TestHeap heap(hardened("zero"));
  auto* const p = static_cast<std::byte*>(heap->alloc(2u << 20));
  heap->free(p);
  p[70'000] = std::byte{1};
  const LogCapture log;
  void* const other = heap->alloc(2u << 20);
  REQUIRE(other != nullptr);
  CHECK(other != p);
  CHECK(log.count(LogLevel::kError, format("written after it was freed: %p, byte 70000 of an object of class 2097152",
                                           static_cast<void*>(p + 70'000))) == 1);
}

// ---- guard granules ----------------------------------------------------------------------------------------------------

// The object that ends nearest to its slab's end, and the first byte of the granule behind the slab.
std::byte* end_of_slab(const TestHeap& heap, std::size_t size) {
  const std::vector<void*> all = take(heap, size, 1);
  const SizeClass& c = heap->classes()[class_of(Profile::kFine, size)];
  const auto at = reinterpret_cast<std::uintptr_t>(all[0]);
  return reinterpret_cast<std::byte*>(round_down(at, kGranule) + c.granules * kGranule);  // a slab of one granule
}

TEST_CASE("guards: who writes behind a slab is stopped; before it, by the guard of the one before") {
  CHECK(signal_of([] {
          const TestHeap heap(hardened("guards"));
          *end_of_slab(heap, 64) = std::byte{1};
        }) == SIGSEGV);
  CHECK(signal_of([] {
          const TestHeap heap(hardened("guards"));
          std::byte* const end = end_of_slab(heap, 64);
          *(end + kGranule - 1) = std::byte{1};
        }) == SIGSEGV);
  CHECK(run_in_child([] {
          const TestHeap heap(hardened("none"));
          static_cast<void>(take(heap, 64, 3000));  // the slab behind it is there
          *end_of_slab(heap, 64) = std::byte{1};
          return std::string();
        }).signal == 0);
}

TEST_CASE("guards: where pages are large the edges are looked at when the slab goes") {
  TestHeap::Setup setup = hardened("guards");
  setup.backing.page_size = kMiB * 2;
  for (const std::size_t offset : {std::size_t{0}, std::size_t{4095}, kGranule - 4096, kGranule - 1}) {
    const TestHeap heap(setup);
    std::byte* const guard = end_of_slab(heap, 64);
    guard[offset] ^= std::byte{1};
    void* const p = heap->alloc(64);
    const LogCapture log;
    auto* const first = reinterpret_cast<std::byte*>(round_down(reinterpret_cast<std::uintptr_t>(p), kGranule));
    for (std::size_t at = 0; at + 64 <= kGranule; at += 64) {
      if (heap->validate(first + at).ok()) heap->free(first + at);
    }
    heap->trim();
    CHECK(log.count(LogLevel::kError, format("memory between slabs was written: %p, behind or before objects of class "
                                             "64, node 0",
                                             static_cast<void*>(guard + offset))) == 1);
  }
}

TEST_CASE("guards: who asks for a device address, or listens, has regions without pages that fault") {
  CHECK(run_in_child([] {
          const TestHeap heap(hardened("guards"));
          std::byte* const guard = end_of_slab(heap, 64);
          if (heap->iova_of(guard - 1) == kBadIova) return std::string("no IOVA");
          *(guard + 5000) = std::byte{1};  // no fault; not an edge
          *(end_of_slab(heap, 128) + 5000) = std::byte{1};
          return std::string();
        }).signal == 0);
}

TEST_CASE("guards: an address in one is nobody's") {
  TestHeap::Setup setup = hardened("guards");
  setup.backing.page_size = kMiB * 2;
  const TestHeap heap(setup);
  const LogCapture log;
  std::byte* const guard = end_of_slab(heap, 64);
  CHECK(heap->usable_size(guard) == 0);
  CHECK(heap->free(guard) == ErrorCode::kForeignPointer);
}

// ---- delayed reuse -----------------------------------------------------------------------------------------------------

TEST_CASE("delay: what is freed does not come again before a queue of others") {
  const TestHeap plain(hardened("none"));
  void* p = plain->alloc(64);
  plain->free(p);
  CHECK(plain->alloc(64) == p);
  const TestHeap heap(hardened("delay"));
  std::vector<void*> freed;
  for (std::size_t i = 0; i < 2000; ++i) {
    p = heap->alloc(64);
    const auto again = std::find(freed.rbegin(), freed.rend(), p);
    if (again != freed.rend()) CHECK(static_cast<std::size_t>(again - freed.rbegin()) >= WaitingRoom::kQueue);
    heap->free(p);
    freed.push_back(p);
  }
  CHECK(std::set<void*>(freed.begin(), freed.end()).size() > WaitingRoom::kQueue);
}

TEST_CASE("delay: what waits counts as cached, and flush, trim, the end of a thread and need bring it back") {
  const TestHeap heap(hardened("delay"));
  const auto wait = [&] {
    for (void* const p : take(heap, 64, 100)) heap->free(p);
    for (void* const p : take(heap, 300'000, 4)) heap->free(p);
  };
  wait();
  heap.check_laws(0);
  CHECK((*heap->class_stats(64)).cached >= 100);
  CHECK((*heap->class_stats(64)).free_hits + (*heap->class_stats(64)).free_misses == 100);
  heap->flush();
  CHECK((*heap->class_stats(64)).cached == 0);
  wait();
  heap->trim();
  CHECK(heap.backing.held().rep == 0);
  std::thread([&] { wait(); }).join();
  CHECK((*heap->class_stats(64)).cached == 0);
  heap.check_laws(0);
}

TEST_CASE("delay: what waits is no reason to be out of memory") {
  TestHeap::Setup setup = hardened("delay");
  setup.config.limit_per_node = kMiB * 4;
  const TestHeap heap(setup);
  std::vector<void*> all;
  while (void* const p = heap->alloc(100'000)) all.push_back(p);
  REQUIRE(all.size() > 20);
  for (int round = 0; round < 5; ++round) {
    for (void*& p : all) heap->free(p);
    for (void*& p : all) REQUIRE((p = heap->alloc(100'000)) != nullptr);
  }
}

// ---- encoded magazines --------------------------------------------------------------------------------------------------

TEST_CASE("encode: objects come out of the depot whole, many times over") {
  const TestHeap heap(hardened("encode"));
  for (int round = 0; round < 4; ++round) {
    std::vector<void*> all = take(heap, 64, 5000);
    CHECK(std::set<void*>(all.begin(), all.end()).size() == all.size());
    for (void* const p : all) CHECK(heap->free(p) == ErrorCode::kOk);
  }
  CHECK((*heap->class_stats(64)).cached > 1000);
  heap.check_laws(0);
  CHECK(heap->stats().misuses == 0);
}

// ---- guarded arena -----------------------------------------------------------------------------------------------------

TEST_CASE("arena: what lies beside the heap's books faults") {
  TestHeap::Setup setup = hardened("arena");
  // The heap itself is one of its tables.
  CHECK(signal_of([&] {
          const TestHeap heap(setup);
          const volatile char before = *(reinterpret_cast<const volatile char*>(heap.heap) - 1);
          static_cast<void>(before);
        }) == SIGSEGV);
  CHECK(signal_of([&] {
          const TestHeap heap(setup);
          const auto* const classes = reinterpret_cast<const std::byte*>(&heap->classes());
          const auto* at = reinterpret_cast<const volatile char*>(
              round_down(reinterpret_cast<std::uintptr_t>(classes), kSmallPage.rep));
          for (;; at -= kSmallPage.rep) static_cast<void>(*at);  // to the state's start, and no further than its gap
        }) == SIGSEGV);
}

TEST_CASE("arena: tables come with gaps, and whole without") {
  for (const Bytes gap : {Bytes{}, kKiB * 64}) {
    ReservedTables tables({kKiB * 8, kKiB * 4, kKiB * 16}, gap);
    REQUIRE(tables.reserve());
    CHECK(tables.all() == kKiB * 28 + gap * 4);
    CHECK(tables.at(1) == tables.at(0) + (kKiB * 8 + gap).rep);
    CHECK(tables.at(2) == tables.at(1) + (kKiB * 4 + gap).rep);
    for (const std::byte* const at : {tables.at(0) - 1, tables.at(1) - 1, tables.at(2) - 1, tables.at(2) + 16384}) {
      if (gap.rep == 0) continue;
      CHECK(signal_of([&] { static_cast<void>(*const_cast<const volatile std::byte*>(at)); }) == SIGSEGV);
    }
    CHECK(*tables.at(2) == std::byte{0});
    tables.unreserve();
  }
}

// ---- sizes that are told -------------------------------------------------------------------------------------------------

TEST_CASE("sized: a wrong size is named, and the object is freed as what it is") {
  const TestHeap heap(hardened("sized"));
  struct {
    std::size_t size, told, class_size;
  } const kWrong[] = {{64, 65, 64},
                      {64, 48, 64},
                      {100, 2u << 20, 112},
                      {100, 0, 112},
                      {3u << 20, 100, 3u << 20},
                      {3u << 20, 2u << 20, 3u << 20}};
  for (const auto& [size, told, class_size] : kWrong) {
    void* const p = heap->alloc(size);
    const LogCapture log;
    CHECK(heap->free_sized(p, told) == ErrorCode::kInvalid);
    CHECK(log.count(LogLevel::kError, format("freed with a wrong size: %p as %zu bytes; it is of class %zu, node 0", p,
                                             told, class_size)) == 1);
    heap.check_laws(0);
  }
  CHECK(heap->stats().misuses == std::size(kWrong));
}

TEST_CASE("sized: every size of a class is right, also after a realloc") {
  const TestHeap heap(hardened("sized"));
  const LogCapture log;
  for (std::size_t size = 1; size < 5000; size += 7) {
    void* const p = heap->alloc(size);
    CHECK(heap->free_sized(p, size) == ErrorCode::kOk);
    void* const q = heap->realloc(heap->alloc(size), size * 3, 0);
    CHECK(heap->free_sized(q, size * 3) == ErrorCode::kOk);
  }
  CHECK(heap->stats().misuses == 0);
}

TEST_CASE("sized: a wrong handle, a pointer into an object") {
  const TestHeap heap(hardened("sized"));
  const Handle handle = *heap->handle(128, 0, kAnyNode);
  auto* const p = static_cast<std::byte*>(heap->alloc(64));
  const LogCapture log;
  CHECK(heap->free(p + 16) == ErrorCode::kForeignPointer);
  CHECK(log.count(LogLevel::kError, format("inner pointer freed: %p lies inside an object of class 64, node 0",
                                           static_cast<void*>(p + 16))) == 1);
  CHECK(heap->free(handle, p) == ErrorCode::kInvalid);
  CHECK(log.count(LogLevel::kError, format("freed with a wrong handle: %p as one of class 128; it is of class 64, node "
                                           "0",
                                           static_cast<void*>(p))) == 1);
  void* const bulk[] = {heap->alloc(64), heap->alloc(128)};
  CHECK(heap->free_bulk(handle, bulk, 2) == ErrorCode::kInvalid);
  heap.check_laws(0);
  CHECK(heap->stats().misuses == 3);
}

TEST_CASE("a misuse that a heap is to abort on does") {
  CHECK(signal_of([] {
          TestHeap::Setup setup = hardened("sized");
          setup.config.misuse = Misuse::kAbort;
          const TestHeap heap(setup);
          heap->free_sized(heap->alloc(64), 100);
        }) == SIGABRT);
}

// ---- together ------------------------------------------------------------------------------------------------------------

TEST_CASE("hardened and checked in full: both find what they find") {
  TestHeap::Setup setup = hardened("all");
  setup.config.checks.level = CheckLevel::kFull;
  setup.config.checks.leaks = false;
  const TestHeap heap(setup);
  const LogCapture log;
  for (const std::size_t size : kSizes) {
    for (int i = 0; i < 50; ++i) {
      void* const p = heap->alloc(size);
      REQUIRE(p != nullptr);
      std::memset(p, 0x5a, size);
      CHECK(heap->free(p) == ErrorCode::kOk);
    }
  }
  CHECK(log.count(LogLevel::kError, "") == 0);
  void* const p = heap->alloc(64);
  heap->free(p);
  CHECK(heap->free(p) == ErrorCode::kDoubleFree);
  heap->trim();
}

TEST_CASE("threads that free what others allocated, all options on") {
  TestHeap::Setup setup = hardened("all");
  setup.nodes = {0, 1};
  const TestHeap heap(setup);
  constexpr unsigned kThreads = 4;
  std::vector<std::thread> threads;
  std::atomic<void*> shared[64] = {};
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 20'000; ++i) {
        const std::size_t size = 16 + (i * 37 + t) % 600;
        auto* p = static_cast<std::size_t*>(heap->alloc(size));
        if (p == nullptr) continue;
        p[0] = size;
        p[1] = ~size;
        p = static_cast<std::size_t*>(shared[(i * 7 + t) % 64].exchange(p));
        if (p == nullptr) continue;
        FM_CHECK(p[0] == ~p[1]);
        FM_CHECK(heap->free_sized(p, p[0]) == ErrorCode::kOk);
        if (i % 1000 == t) heap->flush();
        if (i % 2000 == t) heap->trim();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  for (std::atomic<void*>& p : shared) heap->free(p.load());
  CHECK(heap->stats().misuses == 0);
  heap.check_laws(0);
}

TEST_CASE("fork: the child goes on with its copy, all options on") {
  const TestHeap heap(hardened("all"));
  std::vector<void*> all = take(heap, 200, 1000);
  for (void* const p : all) std::memset(p, 0x42, 200);
  for (std::size_t i = 0; i < 500; ++i) heap->free(all[i]);
  const test::ChildResult result = run_in_child([&] {
    heap->check_invariants();
    for (std::size_t i = 500; i < all.size(); ++i) {
      if (!all_bytes(all[i], 200, 0x42)) return std::string("an inherited object changed");
      if (heap->free(all[i]) != ErrorCode::kOk) return std::string("an inherited object cannot be freed");
    }
    for (void*& p : all) {
      if ((p = heap->alloc(200)) == nullptr) return std::string("no memory");
      if (!all_bytes(p, 200, 0)) return std::string("a new object is not zero");
    }
    heap->check_invariants();
    return std::string(heap->stats().misuses == 0 ? "" : "a misuse");
  });
  CHECK(result.signal == 0);
  CHECK(result.text == "");
  for (std::size_t i = 500; i < all.size(); ++i) CHECK(heap->free(all[i]) == ErrorCode::kOk);
}

}  // namespace
}  // namespace fastmem::core
