// SPDX-License-Identifier: BSD-3-Clause
// Named heaps and memory that the caller brings, through the C interface: every errno, and objects that the default heap's
// functions find by their address.
#include <doctest/doctest.h>
#include <fastmem.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fastmem.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/log_capture.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::error_text;
using test::kMegabyte;
using test::says;

struct Buffer {
  explicit Buffer(std::size_t n) : size(n) {
    base = static_cast<char*>(mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base != MAP_FAILED);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { munmap(base, size); }
  bool holds(const void* p) const { return p >= base && p < base + size; }
  char* base;
  std::size_t size;
};

int add(fastmem_heap_t* heap, const Buffer& buffer) {
  return fastmem_heap_memory_add(heap, buffer.base, buffer.size, nullptr, 0, 4096);
}
int remove(fastmem_heap_t* heap, const Buffer& buffer) {
  return fastmem_heap_memory_remove(heap, buffer.base, buffer.size);
}

TEST_CASE("names: made, found, taken, too long, too many, gone") {
  fastmem_heap_t* const heap = fastmem_named_heap_create("first");
  REQUIRE_MESSAGE(heap != nullptr, error_text());
  CHECK(fastmem_named_heap("first") == heap);
  const auto refused = [](const char* name, int why) {
    errno = 0;
    CHECK(fastmem_named_heap_create(name) == nullptr);
    CHECK(errno == why);
  };
  refused("first", EEXIST);
  CHECK(says(error_text(), "first"));
  refused("", EINVAL);
  refused(nullptr, EINVAL);
  refused(std::string(32, 'x').c_str(), EINVAL);
  for (const char* const name : {"second", "", static_cast<const char*>(nullptr)}) {
    errno = 0;
    CHECK(fastmem_named_heap(name) == nullptr);
    CHECK(errno == ENOENT);
    CHECK(fastmem_named_heap_destroy(name) == -ENOENT);
  }
  const std::string longest(31, 'x');
  CHECK(fastmem_named_heap_create(longest.c_str()) != nullptr);
  CHECK(fastmem_named_heap_destroy(longest.c_str()) == 0);

  unsigned more = 0;
  while (fastmem_named_heap_create(("n" + std::to_string(more)).c_str()) != nullptr) ++more;
  CHECK((errno == ENOSPC || (test::kShadowMemory && errno == ENOMEM)));  // ENOMEM: little address space is left there
  CHECK((more == 63 || test::kShadowMemory));
  for (unsigned i = 0; i < more; ++i) CHECK(fastmem_named_heap_destroy(("n" + std::to_string(i)).c_str()) == 0);
  CHECK(fastmem_named_heap("n5") == nullptr);
  CHECK(fastmem_named_heap("first") == heap);
  CHECK(fastmem_named_heap_destroy("first") == 0);
  CHECK(fastmem_named_heap("first") == nullptr);
}

TEST_CASE("without address space for its books a heap is refused with what to do") {
  if (test::kShadowMemory) FM_SKIP("no limit on address space is possible here");
  const test::ChildResult child = test::run_in_child([]() -> std::string {
    const rlimit limit{std::size_t{64} << 30, std::size_t{64} << 30};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return "no limit";
    errno = 0;
    if (fastmem_named_heap_create("large") != nullptr) return "it was made";
    if (errno != ENOMEM) return "errno " + std::to_string(errno);
    return says(error_text(), "ulimit -v") ? "" : error_text();
  });
  CHECK(child.signal == 0);
  CHECK(child.text.empty());
  CHECK(fastmem_named_heap("large") == nullptr);
}

TEST_CASE("memory: added, refused, busy, removed") {
  fastmem_heap_t* const heap = fastmem_named_heap_create("memory");
  REQUIRE(heap != nullptr);
  const Buffer buffer(4 * kMegabyte);
  CHECK(fastmem_heap_alloc(heap, 100, 0, 0) == nullptr);
  CHECK(errno == ENOMEM);
  CHECK(says(error_text(), "fastmem_heap_memory_add"));
  std::vector<std::uint64_t> iovas;
  for (std::size_t i = 0; i < buffer.size / 4096; ++i) iovas.push_back((2 * i + 1) << 12);
  const auto n = static_cast<unsigned>(iovas.size());
  CHECK(fastmem_heap_memory_add(heap, nullptr, 4096, nullptr, 0, 4096) == -EINVAL);
  CHECK(fastmem_heap_memory_add(heap, buffer.base, 0, nullptr, 0, 4096) == -EINVAL);
  CHECK(fastmem_heap_memory_add(heap, buffer.base, buffer.size, nullptr, 0, 0) == -EINVAL);
  CHECK(fastmem_heap_memory_add(heap, buffer.base, buffer.size, nullptr, 0, 12288) == -EINVAL);
  CHECK(fastmem_heap_memory_add(heap, buffer.base, buffer.size, iovas.data(), 0, 4096) == -EINVAL);
  CHECK(fastmem_heap_memory_add(heap, buffer.base, buffer.size, iovas.data(), n - 1, 4096) == -EINVAL);
  CHECK(fastmem_heap_memory_add(heap, buffer.base, buffer.size - 1, iovas.data(), n, 4096) == -EINVAL);
  REQUIRE(fastmem_heap_memory_add(heap, buffer.base, buffer.size, iovas.data(), n, 4096) == 0);
  CHECK(fastmem_heap_memory_add(heap, buffer.base, buffer.size, iovas.data(), n, 4096) == -EEXIST);
  CHECK(fastmem_named_heap_destroy("memory") == -EBUSY);
  CHECK(fastmem_heap_memory_remove(heap, buffer.base, kMegabyte) == -ENOENT);
  CHECK(fastmem_heap_memory_remove(heap, nullptr, kMegabyte) == -EINVAL);

  auto* const p = static_cast<char*>(fastmem_heap_alloc(heap, 3 * kMegabyte, 0, 0));
  REQUIRE(buffer.holds(p));
  const auto page = static_cast<std::size_t>(p - buffer.base) / 4096;
  CHECK(fastmem_virt_to_iova(heap, p + 5000) == iovas[page + 1] + 5000 - 4096);
  fastmem_segment_t segments[4];
  CHECK(fastmem_iova_segments(heap, p, 3 * 4096, segments, 4) == 3);
  CHECK(fastmem_iova_contiguous(heap, p, 4097) == 0);
  CHECK(fastmem_heap_memory_remove(heap, buffer.base, buffer.size) == -EBUSY);
  CHECK(fastmem_heap_free(heap, p) == 0);
  CHECK(fastmem_heap_memory_detach(heap, buffer.base, buffer.size) == 0);
  CHECK(fastmem_heap_memory_detach(heap, buffer.base, buffer.size) == -EBUSY);
  CHECK(fastmem_heap_alloc(heap, 100, 0, 0) == nullptr);
  CHECK(fastmem_heap_memory_attach(heap, buffer.base, buffer.size) == 0);
  CHECK(fastmem_heap_memory_attach(heap, buffer.base, buffer.size) == -EBUSY);
  CHECK(fastmem_heap_memory_attach(heap, buffer.base, kMegabyte) == -ENOENT);
  CHECK(fastmem_heap_memory_detach(heap, buffer.base, kMegabyte) == -ENOENT);
  CHECK(fastmem_heap_free(heap, fastmem_heap_alloc(heap, 100, 0, 0)) == 0);
  CHECK(remove(heap, buffer) == 0);
  CHECK(remove(heap, buffer) == -ENOENT);
  CHECK(fastmem_named_heap_destroy("memory") == 0);
}

TEST_CASE("EPERM: the default heap, another one, and memory of their own") {
  const Buffer buffer(2 * kMegabyte);
  const test::CHeap other;
  for (fastmem_heap_t* const heap : {static_cast<fastmem_heap_t*>(nullptr), static_cast<fastmem_heap_t*>(other)}) {
    CHECK(add(heap, buffer) == -EPERM);
    CHECK(remove(heap, buffer) == -ENOENT);
    void* const p = fastmem_heap_alloc(heap, 2 * kMegabyte, 2 * kMegabyte, 0);
    REQUIRE(p != nullptr);
    CHECK(fastmem_heap_memory_remove(heap, p, 2 * kMegabyte) == -EPERM);
    CHECK(fastmem_heap_memory_detach(heap, p, 2 * kMegabyte) == -EPERM);
    CHECK(fastmem_heap_memory_attach(heap, p, 2 * kMegabyte) == -EPERM);
    fastmem_heap_free(heap, p);
  }
}

// What the default heap's functions do with an object of a named heap.
void use_by_address(fastmem_heap_t* heap, const Buffer& buffer) {
  for (const std::size_t size : {std::size_t{64}, std::size_t{20'000}, 2 * kMegabyte}) {
    void* const p = fastmem_heap_alloc(heap, size, 0, 0);
    REQUIRE(buffer.holds(p));
    std::memset(p, 9, size);
    CHECK(fastmem_usable_size(p) >= size);
    CHECK(fastmem_virt_to_iova(nullptr, p) == reinterpret_cast<std::uintptr_t>(p));
    fastmem_segment_t segment = {};
    CHECK(fastmem_iova_segments(nullptr, p, size, &segment, 1) == 1);
    CHECK(segment.len == size);
    CHECK(fastmem_iova_contiguous(nullptr, p, size) == 1);
    auto* const q = static_cast<char*>(fastmem_realloc(p, size * 2, 0));
    REQUIRE(buffer.holds(q));
    CHECK(q[0] == 9);
    CHECK(q[size - 1] == 9);
    CHECK(fastmem_free(q) == 0);
  }
  void* mixed[3] = {fastmem_heap_alloc(heap, 100, 0, 0), fastmem_alloc(100, 0, 0), fastmem_heap_alloc(heap, 100, 0, 0)};
  CHECK(fastmem_free_bulk(mixed, 3) == 0);
  void* const gone = fastmem_heap_alloc(heap, 100, 0, 0);
  CHECK(fastmem_realloc(gone, 0, 0) == nullptr);
  fastmem_stats_t s = {};
  s.struct_size = sizeof(s);
  REQUIRE(fastmem_stats(heap, &s) == 0);
  CHECK(s.bytes_in_use == 0);
  CHECK(s.misuse == 0);
}

TEST_CASE("the default heap's free, realloc and questions find the heap of an address") {
  fastmem_heap_t* const empty = fastmem_named_heap_create("empty");
  fastmem_heap_t* const heap = fastmem_named_heap_create("found");
  REQUIRE(heap != nullptr);
  const Buffer buffer(16 * kMegabyte);
  REQUIRE(fastmem_heap_memory_add_on(heap, buffer.base, buffer.size, nullptr, 0, 4096, FASTMEM_NODE_ANY,
                                     FASTMEM_MEMORY_IOVA_VA | FASTMEM_MEMORY_ZEROED) == 0);
  use_by_address(heap, buffer);
  std::thread([&] { use_by_address(heap, buffer); }).join();

  // An ordinary heap's object is a foreign pointer as ever, and so is one of a named heap for another.
  const test::LogCapture log;
  const test::CHeap ordinary;
  void* const p = ordinary.alloc(100);
  CHECK(fastmem_free(p) == -EINVAL);
  CHECK(fastmem_usable_size(p) == 0);
  void* const q = fastmem_heap_alloc(heap, 100, 0, 0);
  CHECK(fastmem_heap_free(empty, q) == -EINVAL);
  CHECK(fastmem_heap_free(ordinary, q) == -EINVAL);
  CHECK(fastmem_free(q) == 0);
  CHECK(fastmem_free(buffer.base + buffer.size) == -EINVAL);
  CHECK(ordinary.free(p) == 0);
  CHECK(remove(heap, buffer) == 0);
  CHECK(fastmem_named_heap_destroy("found") == 0);
  CHECK(fastmem_named_heap_destroy("empty") == 0);
}

TEST_CASE("destroyed by force: the memory stays the caller's, and the name is free") {
  fastmem_heap_t* const heap = fastmem_named_heap_create("forced");
  const Buffer buffer(2 * kMegabyte);
  REQUIRE(add(heap, buffer) == 0);
  auto* const p = static_cast<char*>(fastmem_heap_alloc(heap, 100, 0, 0));
  std::strcpy(p, "still there");
  CHECK(fastmem_named_heap_destroy("forced") == -EBUSY);
  CHECK(fastmem_heap_destroy(heap) == 0);
  CHECK(fastmem_named_heap("forced") == nullptr);
  CHECK(std::string(p) == "still there");
}

TEST_CASE("a child of a fork has its own copy where it is told so, and else none") {
  fastmem_heap_t* const heap = fastmem_named_heap_create("forked");
  const Buffer buffer(2 * kMegabyte);
  for (const unsigned flags : {0u, unsigned{FASTMEM_MEMORY_FORK}}) {
    REQUIRE(fastmem_heap_memory_add_on(heap, buffer.base, buffer.size, nullptr, 0, 4096, FASTMEM_NODE_ANY, flags) == 0);
    void* const p = fastmem_heap_alloc(heap, 100, 0, 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      errno = 0;
      void* const q = fastmem_heap_alloc(heap, 100, 0, 0);
      const bool right = flags == 0 ? q == nullptr && errno == ENODEV : q != nullptr && fastmem_free(p) == 0;
      _exit(right && fastmem_named_heap("forked") == heap ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(fastmem_free(p) == 0);
    CHECK(remove(heap, buffer) == 0);
  }
  CHECK(fastmem_named_heap_destroy("forked") == 0);
}

TEST_CASE("in C++") {
  auto made = Heap::create_named("plus");
  REQUIRE(made.ok());
  CHECK(Heap::create_named("plus").code() == ErrorCode::kExists);
  const Buffer buffer(2 * kMegabyte);
  CallerMemory memory;
  memory.base = buffer.base;
  memory.size = Bytes{buffer.size};
  CHECK(made->add_memory(memory).ok());
  void* const p = made->alloc(100);
  CHECK(buffer.holds(p));
  CHECK(made->detach_memory(memory.base, memory.size).ok());
  CHECK(made->attach_memory(memory.base, memory.size).ok());
  CHECK(made->free(p) == ErrorCode::kOk);
  CHECK(made->remove_memory(memory.base, memory.size).ok());
}

}  // namespace
}  // namespace fastmem
