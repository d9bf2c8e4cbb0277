// SPDX-License-Identifier: BSD-3-Clause
// fork in a program with threads: the child goes on with its copy, or refuses where memory was not inherited; the
// parent notices nothing.
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "platform/thread_slot.h"
#include "tests/core/test_heap.h"
#include "tests/support/child_process.h"

namespace fastmem::core {
namespace {

using test::ChildResult;
using test::run_in_child;

// Threads that are anywhere inside the heap until told otherwise.
class BusyThreads {
 public:
  BusyThreads(TestHeap& heap, unsigned count) {
    for (unsigned t = 0; t < count; ++t) {
      threads_.emplace_back([this, &heap, t] {
        std::vector<void*> mine;
        for (unsigned i = t; !done_; ++i) {
          void* const p = heap->alloc(1 + i * 37 % 3000);
          if (p != nullptr) mine.push_back(p);
          if (mine.size() < 50 + i % 100) continue;
          heap->free_bulk(mine.data(), mine.size());
          mine.clear();
          if (i % 64 == 0) heap->flush();
          if (i % 256 == 0) heap->trim();
        }
        heap->free_bulk(mine.data(), mine.size());
      });
    }
  }
  BusyThreads(const BusyThreads&) = delete;
  BusyThreads& operator=(const BusyThreads&) = delete;
  ~BusyThreads() {
    done_ = true;
    for (std::thread& t : threads_) t.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::vector<std::thread> threads_;
};

// What a child does with a heap that works; empty: all was well.
std::string use(TestHeap& heap, void* inherited) {
  heap->check_invariants();
  if (!all_bytes(inherited, 1000, 0x42)) return "the inherited object changed";
  if (heap->free(inherited) != ErrorCode::kOk) return "the inherited object cannot be freed";
  std::vector<void*> all;
  for (unsigned i = 0; i < 3000; ++i) {
    void* const p = heap->alloc(1 + i * 11 % 5000);
    if (p == nullptr) return std::string("no object: ") + last_error().text;
    std::memset(p, 0x11, 1 + i * 11 % 5000);
    all.push_back(p);
  }
  for (void* const p : all) {
    if (heap->free(p) != ErrorCode::kOk) return "an object cannot be freed";
  }
  heap->flush();
  heap->check_invariants();
  const HeapStats s = heap->stats();
  if (s.misuses != 0) return "misuse reported";
  heap->trim();
  heap->check_invariants();
  return {};
}

TEST_CASE("a child of a program with busy threads allocates, frees, flushes and trims") {
  TestHeap::Setup setup;
  setup.nodes = {0, 1};
  TestHeap heap(setup);
  void* const inherited = heap->alloc(1000);
  std::memset(inherited, 0x42, 1000);
  {
    const BusyThreads busy(heap, 3);
    for (unsigned round = 0; round < 30; ++round) {
      const ChildResult result = run_in_child([&] { return use(heap, inherited); });
      CHECK(result.signal == 0);
      CHECK(result.text == "");
    }
  }
  CHECK(use(heap, inherited) == "");
  heap.check_laws(0);
  CHECK(heap.backing.regions() == 0);
}

TEST_CASE("what other threads had cached is not lost to the child") {
  TestHeap::Setup setup;
  setup.config.region_size = kMiB * 2;
  TestHeap heap(setup);
  heap.backing.cap(node(0), kMiB * 2);
  std::atomic<unsigned> stage{0};
  std::thread other([&] {
    std::vector<void*> all;
    while (void* const p = heap->alloc(64)) all.push_back(p);
    for (void* const p : all) heap->free(p);
    stage = 1;
    while (stage != 2) std::this_thread::yield();
  });
  while (stage != 1) std::this_thread::yield();
  const ChildResult result = run_in_child([&] {
    if (heap->stats().slots != 0) return std::string("a thread that is not there holds caches");
    std::size_t n = 0;
    while (heap->alloc(64) != nullptr) ++n;
    return n == (kMiB * 2).rep / 64 ? std::string() : std::to_string(n) + " objects";
  });
  stage = 2;
  other.join();
  CHECK(result.signal == 0);
  CHECK(result.text == "");
}

TEST_CASE("memory that is not inherited: the child refuses everything, the parent goes on") {
  TestHeap::Setup setup;
  setup.backing.inherited_by_fork = false;
  TestHeap heap(setup);
  void* const p = heap->alloc(100);
  void* const q = heap->alloc(100);
  CHECK(heap->free(q) == ErrorCode::kOk);  // in the cache: not even that may be handed out
  Result<Handle> handle = heap->handle(100, 0, kAnyNode);
  const ChildResult result = run_in_child([&]() -> std::string {
    void* out[1];
    if (heap->alloc(100) != nullptr) return "alloc";
    if (last_error().code != ErrorCode::kNotReady) return "alloc's code";
    if (heap->alloc(*handle) != nullptr) return "alloc by handle";
    if (heap->alloc_with(100, 0, 0) != nullptr) return "alloc_with";
    if (heap->alloc_bulk(out, 1, 100, 0, 0, kAnyNode) != ErrorCode::kNotReady) return "alloc_bulk";
    if (heap->free(p) != ErrorCode::kNotReady) return "free";
    if (heap->free_sized(p, 100) != ErrorCode::kNotReady) return "free_sized";
    if (heap->free(*handle, p) != ErrorCode::kNotReady) return "free by handle";
    if (heap->reserve(kMiB, kAnyNode).code != ErrorCode::kNotReady) return "reserve";
    if (heap->trim() != Bytes{}) return "trim";
    heap->flush();
    heap->check_invariants();
    return {};
  });
  CHECK(result.signal == 0);
  CHECK(result.text == "");
  CHECK(heap->alloc(100) != nullptr);
  CHECK(heap->free(p) == ErrorCode::kOk);
  heap.check_laws(1);
}

TEST_CASE("a region that is kept from children once its IOVAs were asked for") {
  TestHeap::Setup setup;
  setup.backing.fork_ends_with_iova = true;
  TestHeap heap(setup);
  void* const p = heap->alloc(100);
  const auto child_allocates = [&] {
    return run_in_child([&] { return std::string(heap->alloc(100) != nullptr ? "yes" : "no"); }).text;
  };
  CHECK(child_allocates() == "yes");
  CHECK(heap->iova_of(p) != kBadIova);
  CHECK(child_allocates() == "no");
  heap->free(p);
  heap->trim();
  CHECK(child_allocates() == "yes");
}

TEST_CASE("a heap without regions works in the child, whatever its backing says") {
  TestHeap::Setup setup;
  setup.backing.inherited_by_fork = false;
  TestHeap heap(setup);
  const ChildResult result = run_in_child([&] { return std::string(heap->alloc(100) != nullptr ? "" : "no object"); });
  CHECK(result.text == "");
  heap.check_laws(0);
}

TEST_CASE("a grandchild, and a thread that forks") {
  TestHeap heap;
  void* const inherited = heap->alloc(1000);
  std::memset(inherited, 0x42, 1000);
  std::string text = "did not run";
  std::thread([&] {
    void* const mine = heap->alloc(50);
    text = run_in_child([&] {
             const ChildResult inner = run_in_child([&] { return use(heap, inherited); });
             return inner.text + (heap->free(mine) == ErrorCode::kOk ? "" : "free") + use(heap, inherited);
           }).text;
    heap->free(mine);
  }).join();
  CHECK(text == "");
  heap.check_laws(1);
}

TEST_CASE("a child makes a heap of its own and takes both down") {
  TestHeap heap;
  CHECK(heap->alloc(10) != nullptr);
  const ChildResult result = run_in_child([&]() -> std::string {
    TestHeap own;
    void* const p = own->alloc(100);
    if (p == nullptr || own->free(p) != ErrorCode::kOk) return "own";
    heap->destroy();
    return own->alloc(100) != nullptr ? "" : "own, afterwards";
  });
  CHECK(result.signal == 0);
  CHECK(result.text == "");
}

TEST_CASE("a fork while threads are told that there is no memory: the child is told, too") {
  TestHeap heap;
  heap.backing.fail_always();
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!done) heap->alloc(64);
    });
  }
  for (unsigned i = 0; i < 200; ++i) {
    const ChildResult child = run_in_child([&] {
      alarm(30);  // SIGALRM ends a child that waits for a thread it has not
      return std::string(heap->alloc(64) == nullptr ? "" : "memory from nowhere");
    });
    CHECK(child.signal == 0);
    CHECK(child.text.empty());
    if (child.signal != 0) break;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  heap.backing.fail_never();
}

}  // namespace
}  // namespace fastmem::core
