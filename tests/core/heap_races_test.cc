// SPDX-License-Identifier: BSD-3-Clause
// What another thread, a fork or want of memory does to a call that is on its way.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/core/test_heap.h"
#include "tests/support/sanitizers.h"

namespace fastmem::core {
namespace {

constexpr unsigned kRounds = test::kShadowMemory ? 3'000 : 60'000;

TEST_CASE("bulk allocations while another thread trims: none half done, none lost") {
  TestHeap heap;
  std::atomic<bool> over{false};
  std::thread trimmer([&] {
    while (!over.load(std::memory_order_relaxed)) heap->trim();
  });
  void* objects[40];
  const Handle handle = heap->handle(64, 0, kAnyNode).value();
  for (unsigned round = 0; round < kRounds; ++round) {
    std::fill(std::begin(objects), std::end(objects), nullptr);
    if (heap->alloc_bulk(handle, objects, 40, 0) != ErrorCode::kOk) FAIL_CHECK("no objects");
    std::sort(std::begin(objects), std::end(objects));
    if (std::adjacent_find(std::begin(objects), std::end(objects)) != std::end(objects)) FAIL_CHECK("one object twice");
    heap->free_bulk(handle, objects, 40);
  }
  over = true;
  trimmer.join();
  heap.check_laws(0);
}

TEST_CASE("nullptr freed on the hot path does not come back as an object") {
  TestHeap heap;
  const Handle handle = heap->handle(64, 0, kAnyNode).value();
  void* const p = heap->alloc(64);  // the cache has room and objects
  CHECK(heap->free_sized(nullptr, 64) == ErrorCode::kOk);
  CHECK(heap->free(handle, nullptr) == ErrorCode::kOk);
  void* const some[3] = {nullptr, p, nullptr};
  CHECK(heap->free_bulk(handle, some, 3) == ErrorCode::kOk);
  void* objects[200];
  REQUIRE(heap->alloc_bulk(objects, 200, 64, 0, 0, kAnyNode) == ErrorCode::kOk);
  CHECK(std::find(std::begin(objects), std::end(objects), nullptr) == std::end(objects));
  CHECK(heap->free_bulk(objects, 200) == ErrorCode::kOk);
  heap.check_laws(0);
}

TEST_CASE("threads that end do not fill the depot past its bound") {
  TestHeap heap;
  const SizeClass& c = heap->classes()[class_of(Profile::kFine, 1024)];
  std::vector<void*> objects(std::size_t{c.magazine} * 4 * c.depot);
  for (void*& p : objects) p = heap->alloc(1024);
  for (std::size_t at = 0; at < objects.size(); at += c.magazine) {
    std::thread([&] {
      for (std::size_t i = at; i < at + c.magazine; ++i) heap->free(objects[i]);
    }).join();
  }
  const ClassStats stats = heap->class_stats(1024).value();
  CHECK(stats.cached <= std::size_t{c.magazine} * (c.depot + 2u));
  heap.check_laws(0);
}

TEST_CASE("threads get their first slot while others fork") {
  TestHeap heap;
  for (int round = 0; round < (test::kShadowMemory ? 5 : 40); ++round) {
    std::thread thread([&] {
      std::vector<std::thread> fresh;
      for (int t = 0; t < 8; ++t) fresh.emplace_back([&] { heap->free(heap->alloc(100)); });
      for (std::thread& f : fresh) f.join();
    });
    const pid_t child = fork();
    if (child == 0) {
      heap->free(heap->alloc(100));
      _exit(0);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    thread.join();
  }
  heap.check_laws(0);
}

TEST_CASE("what is held when a smaller limit comes can be used whole") {
  TestHeap heap;
  std::vector<void*> objects;
  while (objects.size() < 20) objects.push_back(heap->alloc(65536));
  REQUIRE(heap->set_limit(kMiB, node(0)).ok());
  for (void* p : objects) CHECK(heap->free(p) == ErrorCode::kOk);
  for (void*& p : objects) CHECK((p = heap->alloc(65536)) != nullptr);
  for (void* p : objects) CHECK(heap->free(p) == ErrorCode::kOk);
  heap.check_laws(0);
}

}  // namespace
}  // namespace fastmem::core
