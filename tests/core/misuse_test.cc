// SPDX-License-Identifier: BSD-3-Clause
// The caller's bugs: noticed, reported in these very words, and survived without losing an object.
#include <doctest/doctest.h>

#include <cstdarg>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/log_capture.h"

namespace fastmem::core {
namespace {

using test::LogCapture;

[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char buffer[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(buffer, sizeof(buffer), format, args);
  va_end(args);
  return buffer;
}

// Back to their slabs, where misuse shows: a magazine that is full travels whole, and nobody looks into it.
void drain(const TestHeap& heap) { heap->trim(); }

void check_one_error(const LogCapture& log, const std::string& line) {
  INFO(line);
  CHECK(log.count(LogLevel::kError, line) == 1);
  CHECK(log.count(LogLevel::kError, "") == 1);
}

TEST_CASE("a double free is noticed when the second one reaches its slab, and the object is handed out once") {
  const TestHeap heap;
  const LogCapture log;
  void* const p = heap->alloc(100);
  CHECK(heap->free(p) == ErrorCode::kOk);
  CHECK(heap->free(p) == ErrorCode::kOk);  // it lies in the cache: noticed later
  CHECK(log.count(LogLevel::kError, "") == 0);
  drain(heap);
  check_one_error(log, text("double free: %p, class 112, node 0, was free already", p));
  CHECK(heap->stats().misuses == 1);
  unsigned again = 0;
  for (unsigned i = 0; i < 2000; ++i) again += heap->alloc(100) == p ? 1 : 0;
  CHECK(again == 1);
  heap->check_invariants();
}

TEST_CASE("a free of an object that is back in its slab is noticed, too") {
  const TestHeap heap;
  const LogCapture log;
  void* const p = heap->alloc(100);
  void* const kept = heap->alloc(100);  // keeps the slab
  CHECK(heap->free(p) == ErrorCode::kOk);
  drain(heap);
  CHECK(heap->free(p) == ErrorCode::kOk);
  drain(heap);
  check_one_error(log, text("double free: %p, class 112, node 0, was free already", p));
  CHECK(heap->free(kept) == ErrorCode::kOk);
  heap->check_invariants();
}

TEST_CASE("an inner pointer never becomes an object") {
  const TestHeap heap;
  const LogCapture log;
  auto* const p = static_cast<std::byte*>(heap->alloc(100));
  CHECK(heap->usable_size(p + 16) == 0);
  CHECK(heap->free(p + 16) == ErrorCode::kOk);
  drain(heap);
  check_one_error(
      log, text("inner pointer freed: %p lies inside an object of class 112, node 0", static_cast<void*>(p + 16)));
  CHECK(heap->free(p) == ErrorCode::kOk);
  drain(heap);
  heap->check_invariants();
  CHECK(heap->stats().misuses == 1);
}

TEST_CASE("a foreign pointer is an error at once") {
  const TestHeap heap;
  const TestHeap other;
  int on_stack = 0;
  void* const theirs = other->alloc(100);
  for (void* const p : {static_cast<void*>(&on_stack), theirs, reinterpret_cast<void*>(8)}) {
    const LogCapture log;
    CHECK(heap->free(p) == ErrorCode::kForeignPointer);
    CHECK(last_error().code == ErrorCode::kForeignPointer);
    CHECK(std::string(last_error().text) == text("%p is not an object of this heap", p));
    check_one_error(log, text("foreign pointer freed: %p is not an object of this heap", p));
  }
  CHECK(heap->stats().misuses == 3);
  CHECK(other->free(theirs) == ErrorCode::kOk);
}

TEST_CASE("memory that the heap holds but has no slab in is foreign") {
  const TestHeap heap;
  const LogCapture log;
  void* const p = heap->alloc(100);
  const Region region = heap.backing.region_of(p);
  auto* const unused = static_cast<std::byte*>(region.base) + region.size.rep - 64;
  CHECK(heap->usable_size(unused) == 0);
  CHECK(heap->free(unused) == ErrorCode::kForeignPointer);
  check_one_error(log, text("foreign pointer freed: %p is not an object of this heap", static_cast<void*>(unused)));
}

TEST_CASE("freed with a wrong size it goes home, and the sentence names both classes") {
  const TestHeap heap;
  const LogCapture log;
  void* const p = heap->alloc(100);
  CHECK(heap->alloc(5000) != nullptr);  // that class has a cache with room now: the fast path takes it
  CHECK(heap->free_sized(p, 5000) == ErrorCode::kOk);
  drain(heap);
  check_one_error(log,
                  text("freed with a wrong size or handle: %p as class 5120, node 0; it is of class 112, node 0", p));
  heap->check_invariants();
  const auto k = heap->class_stats(112);
  REQUIRE(k.ok());
  CHECK(k.value().in_use == 0);
  bool again = false;
  for (unsigned i = 0; i < 2000; ++i) again |= heap->alloc(100) == p;
  CHECK(again);
}

TEST_CASE("freed by another node's handle it goes home") {
  TestHeap::Setup setup;
  setup.nodes = {0, 3};
  const TestHeap heap(setup);
  const LogCapture log;
  Result<Handle> here = heap->handle(100, 0, node(0));
  Result<Handle> there = heap->handle(100, 0, node(3));
  REQUIRE(here.ok());
  REQUIRE(there.ok());
  void* const p = heap->alloc(*here);
  CHECK(heap->free(*there, p) == ErrorCode::kOk);
  drain(heap);
  check_one_error(log,
                  text("freed with a wrong size or handle: %p as class 112, node 3; it is of class 112, node 0", p));
  heap->check_invariants();
  const auto k = heap->class_stats(112);
  CHECK(k.value().in_use == 0);
}

TEST_CASE("a foreign pointer in a sized free is noticed before it is more than a pointer in a cache") {
  const TestHeap heap;
  const LogCapture log;
  void* const mine = heap->alloc(100);
  int outside = 0;
  CHECK(heap->free_sized(&outside, 100) == ErrorCode::kOk);
  drain(heap);
  check_one_error(log, text("foreign pointer freed: %p is not an object of this heap", static_cast<void*>(&outside)));
  CHECK(heap->free(mine) == ErrorCode::kOk);
  heap->check_invariants();
}

TEST_CASE("handles that are none") {
  const TestHeap heap;
  void* const p = heap->alloc(100);
  for (const unsigned number : {0u, kMaxClasses - 1}) {
    const Handle bad{static_cast<std::uint16_t>(number)};
    CHECK(heap->in_range(bad));
    CHECK_FALSE(heap->valid(bad));
    CHECK(heap->alloc(bad) == nullptr);
    CHECK(last_error().code == ErrorCode::kInvalid);
    CHECK(heap->free(bad, p) == ErrorCode::kInvalid);
    CHECK(heap->alloc_with(bad, 0) == nullptr);
    void* out = p;
    CHECK(heap->alloc_bulk(bad, &out, 1, 0) == ErrorCode::kInvalid);
    CHECK(heap->free_bulk(bad, &out, 1) == ErrorCode::kInvalid);
  }
  for (const unsigned number : {kMaxClasses, kMaxClasses + 1, 0xffffu}) {
    const Handle bad{static_cast<std::uint16_t>(number)};
    CHECK_FALSE(heap->in_range(bad));
    CHECK_FALSE(heap->valid(bad));
    CHECK(heap->alloc_with(bad, 0) == nullptr);
  }
  CHECK(heap->free(p) == ErrorCode::kOk);
  heap.check_laws(0);
}

TEST_CASE("realloc of a pointer that is none") {
  const TestHeap heap;
  const LogCapture log;
  int outside = 0;
  CHECK(heap->realloc(&outside, 100, 0) == nullptr);
  CHECK(last_error().code == ErrorCode::kForeignPointer);
  check_one_error(log, text("foreign pointer freed: %p is not an object of this heap", static_cast<void*>(&outside)));
}

TEST_CASE("misused pointers beyond what is noted are counted in one line") {
  const TestHeap heap;
  const LogCapture log;
  void* const p = heap->alloc(64);
  const void* const kept = heap->alloc(64);
  CHECK(kept != nullptr);
  for (unsigned i = 0; i < 1000; ++i) heap->free(p);
  drain(heap);
  CHECK(log.count(LogLevel::kError, "double free: ") >= 64);
  CHECK(log.count(LogLevel::kError, "more misused pointers in one drain: their memory stays out of use") >= 1);
  CHECK(heap->stats().misuses == 999);
  heap->check_invariants();
}

TEST_CASE("a heap that is to abort does, after the sentence") {
  for (const unsigned which : {0u, 1u}) {
    const test::ChildResult result = test::run_in_child([which] {
      TestHeap::Setup setup;
      setup.config.misuse = Misuse::kAbort;
      const TestHeap heap(setup);
      const LogCapture quiet;
      void* const p = heap->alloc(100);
      if (which == 0) heap->free(&setup);
      heap->free(p);
      heap->free(p);
      drain(heap);
      return std::string("lived on");
    });
    CHECK(result.signal == SIGABRT);
    CHECK(result.text.empty());
  }
}

}  // namespace
}  // namespace fastmem::core
