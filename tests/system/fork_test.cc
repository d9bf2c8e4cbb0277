// SPDX-License-Identifier: BSD-3-Clause
// The child of a fork: does a heap of small pages go on there whatever other threads were doing, and does one whose
// memory is not inherited refuse clearly?
#include <doctest/doctest.h>
#include <fastmem.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "platform/pages.h"
#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::ChildResult;
using test::run_in_child;
using test::says;

// Every way into the heap, in the child. Nothing, or what went wrong.
std::string use_everything(fastmem_heap_t* heap) {
  std::vector<void*> objects(500);
  for (const std::size_t size : {16, 300, 5000, 100000}) {
    const std::size_t n = size == 100000 ? 20 : 500;
    if (fastmem_heap_alloc_bulk(heap, objects.data(), n, size, 0, 0, FASTMEM_NODE_ANY) != 0) return test::error_text();
    for (std::size_t i = 0; i < n; ++i) std::memset(objects[i], 1, size);
    if (fastmem_heap_free_bulk(heap, objects.data(), n) != 0) return test::error_text();
  }
  fastmem_handle_t handle = 0;
  if (fastmem_handle(heap, 64, 0, FASTMEM_NODE_ANY, &handle) != 0) return "handle";
  if (fastmem_handle_free(heap, handle, fastmem_handle_alloc(heap, handle, FASTMEM_ZERO)) != 0) return "handle alloc";
  fastmem_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  if (fastmem_stats(heap, &stats) != 0 || stats.misuse != 0) return "stats";
  fastmem_stats_reset(heap);
  fastmem_flush(heap);
  fastmem_trim(heap);
  if (fastmem_reserve(heap, 16 * test::kMegabyte, FASTMEM_NODE_ANY) != 0) return test::error_text();
  return "";
}

TEST_CASE("the child goes on with what it inherited, and what it does is its own") {
  const CHeap heap;
  auto* const p = static_cast<char*>(heap.alloc(1000));
  std::memcpy(p, "before", 7);
  const fastmem_stats_t before = heap.stats();
  const ChildResult child = run_in_child([&]() -> std::string {
    if (std::strcmp(p, "before") != 0) return "contents";
    std::memcpy(p, "child!", 7);
    if (heap.free(p) != 0) return "free";
    return use_everything(heap);
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
  CHECK(std::strcmp(p, "before") == 0);
  CHECK(heap.stats().alloc_total == before.alloc_total);
  CHECK(heap.free(p) == 0);
}

TEST_CASE("a heap that had not been used; one made in the child; one destroyed there") {
  const CHeap heap;
  const ChildResult child = run_in_child([&]() -> std::string {
    if (std::string wrong = use_everything(heap); !wrong.empty()) return wrong;
    const fastmem_config_t config = test::small_config();
    fastmem_heap_t* const own = fastmem_heap_create(&config);
    if (own == nullptr) return test::error_text();
    if (std::string wrong = use_everything(own); !wrong.empty()) return wrong;
    if (fastmem_heap_destroy(own) != 0) return "destroy";
    return fastmem_heap_destroy(heap) == 0 ? "" : "destroy what was inherited";
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
  CHECK(use_everything(heap) == "");
}

TEST_CASE("what threads had cached that are not in the child serves it") {
  fastmem_config_t config = test::small_config();
  config.limit_per_node = 6 * test::kMegabyte;
  const CHeap heap(config);
  std::size_t n = 0;
  std::atomic<bool> cached{false};
  std::atomic<bool> done{false};
  std::thread holder([&] {
    const std::vector<void*> objects = heap.alloc_all(4096);
    n = objects.size();
    heap.free_all(objects);
    cached = true;
    cached.notify_one();
    done.wait(false);
  });
  cached.wait(false);
  const ChildResult child = run_in_child([&]() -> std::string {
    const std::size_t again = heap.alloc_all(4096).size();
    return again == n ? "" : std::to_string(again) + " of " + std::to_string(n);
  });
  done = true;
  done.notify_one();
  holder.join();
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

TEST_CASE("fork in a loop while threads allocate, free, flush, trim and grow") {
  const CHeap heap;
  std::atomic<bool> done{false};
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::vector<void*> objects(200);
      for (unsigned i = 0; !done; ++i) {
        const std::size_t size = std::size_t{16} << (i + t * 4) % 14;
        if (fastmem_heap_alloc_bulk(heap, objects.data(), 200, size, 0, 0, FASTMEM_NODE_ANY) != 0) ++wrong;
        if (heap.free_all(objects) != 0) ++wrong;
        if (i % 5 == t) fastmem_flush(heap);
        if (i % 50 == t) fastmem_trim(heap);
      }
    });
  }
  constexpr int kForks = test::kShadowMemory ? 20 : 150;
  for (int i = 0; i < kForks; ++i) {
    const ChildResult child = run_in_child([&] { return use_everything(heap); });
    REQUIRE(child.signal == 0);
    REQUIRE(child.text == "");
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(heap.stats().bytes_in_use == 0);
  CHECK(heap.stats().misuse == 0);
}

TEST_CASE("the child of a child of a child") {
  const CHeap heap;
  const ChildResult child = run_in_child([&]() -> std::string {
    if (std::string wrong = use_everything(heap); !wrong.empty()) return wrong;
    const ChildResult grandchild = run_in_child([&]() -> std::string {
      if (std::string wrong = use_everything(heap); !wrong.empty()) return wrong;
      return run_in_child([&] { return use_everything(heap); }).text;
    });
    return grandchild.signal != 0 ? "signal" : grandchild.text;
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

TEST_CASE("a child may start threads of its own") {
#if defined(__SANITIZE_THREAD__)
  FM_SKIP("the thread sanitizer ends a child that starts threads");
#endif
  const CHeap heap;
  std::thread([&] { heap.free(heap.alloc(64)); }).join();
  const ChildResult child = run_in_child([&]() -> std::string {
    std::string wrong[4];
    std::vector<std::thread> threads;
    for (std::string& text : wrong) threads.emplace_back([&] { text = use_everything(heap); });
    for (std::thread& thread : threads) thread.join();
    for (const std::string& text : wrong) {
      if (!text.empty()) return text;
    }
    return "";
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

// What a heap says in a process that did not inherit its memory.
std::string check_refusal(fastmem_heap_t* heap, void* p) {
  errno = 0;
  if (fastmem_heap_alloc(heap, 64, 0, 0) != nullptr) return "alloc";
  if (errno != ENODEV) return "errno " + std::to_string(errno);
  if (!says(test::error_text(), "fork")) return "text: " + test::error_text();
  if (fastmem_heap_alloc(heap, 64, 64, FASTMEM_ZERO) != nullptr) return "alloc with flags";
  void* objects[2] = {};
  if (fastmem_heap_alloc_bulk(heap, objects, 2, 64, 0, 0, FASTMEM_NODE_ANY) != -ENODEV) return "alloc_bulk";
  if (fastmem_heap_free(heap, p) != -ENODEV) return "free";
  if (fastmem_heap_free_sized(heap, p, 64) != -ENODEV) return "free_sized";
  if (fastmem_heap_realloc(heap, p, 100000, 0) != nullptr) return "realloc";
  if (fastmem_reserve(heap, 64 * test::kMegabyte, FASTMEM_NODE_ANY) != -ENODEV) return "reserve";
  if (fastmem_trim(heap) != 0) return "trim";
  fastmem_flush(heap);
  fastmem_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  if (fastmem_stats(heap, &stats) != 0) return "stats";
  const fastmem_config_t config = test::small_config();
  fastmem_heap_t* const own = fastmem_heap_create(&config);
  if (own == nullptr || fastmem_heap_alloc(own, 64, 0, 0) == nullptr) return "a heap of its own";
  return fastmem_heap_destroy(heap) == 0 ? "" : "destroy";
}

TEST_CASE("the child of a heap on hugetlb pages is refused clearly") {
  if (read_huge_pages(kMiB * 2).usable() < 4) FM_SKIP("too few free 2 MiB hugetlb pages");
  fastmem_config_t config = test::small_config();
  config.pages = FASTMEM_PAGES_2M;
  const CHeap heap(config);
  auto* const p = static_cast<char*>(heap.alloc(64));
  if (p == nullptr) FM_SKIP("somebody else took the free 2 MiB hugetlb pages");
  std::memcpy(p, "parent", 7);
  const ChildResult child = run_in_child([&] { return check_refusal(heap, p); });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
  CHECK(std::strcmp(p, "parent") == 0);
  CHECK(heap.free(p) == 0);
}

TEST_CASE("the child of a heap whose pages are locked for devices is refused clearly") {
  fastmem_config_t config = test::small_config();
  config.iova_mode = FASTMEM_IOVA_PA;
  fastmem_heap_t* const heap = fastmem_heap_create(&config);
  if (heap == nullptr) FM_SKIP("the kernel does not tell this process page frame numbers");
  void* const p = fastmem_heap_alloc(heap, 64, 0, 0);
  REQUIRE(p != nullptr);
  const ChildResult child = run_in_child([&] { return check_refusal(heap, p); });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
  CHECK(fastmem_heap_free(heap, p) == 0);
  CHECK(fastmem_heap_destroy(heap) == 0);
}

TEST_CASE("iova_mode auto: once addresses were asked for, the child is refused") {
  fastmem_config_t config = test::small_config();
  config.iova_mode = FASTMEM_IOVA_AUTO;
  const CHeap heap(config);
  void* const p = heap.alloc(64);
  REQUIRE(p != nullptr);
  const std::uint64_t iova = fastmem_virt_to_iova(heap, p);
  if (iova == FASTMEM_BAD_IOVA) FM_SKIP("the kernel does not tell this process page frame numbers");
  if (iova == reinterpret_cast<std::uintptr_t>(p)) FM_SKIP("an IOMMU: addresses are virtual, and pages not locked");
  const ChildResult child = run_in_child([&] { return check_refusal(heap, p); });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

}  // namespace
}  // namespace fastmem
