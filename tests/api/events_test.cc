// SPDX-License-Identifier: BSD-3-Clause
// Listeners through the C and C++ interfaces, on real memory: what they are told, what a veto says, and what fails with
// EDEADLK from a callback.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <fastmem.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::CHeap;
using test::error_text;
using test::kMegabyte;
using test::says;

struct Recorder {
  std::map<void*, fastmem_memory_t> held;
  std::function<int(const fastmem_memory_t&)> on_came;
  std::function<void()> on_goes;
  std::function<int(int, std::size_t, std::size_t)> on_may_grow;
  unsigned removed = 0;

  fastmem_listener_t listener(unsigned flags = 0, const char* name = "recorder") {
    fastmem_listener_t l = {};
    l.struct_size = sizeof(l);
    l.flags = flags;
    l.name = name;
    l.context = this;
    l.came = [](const fastmem_memory_t* memory, void* context) {
      auto& r = *static_cast<Recorder*>(context);
      const int answer = r.on_came ? r.on_came(*memory) : 0;
      if (answer == 0) r.held[memory->base] = *memory;
      return answer;
    };
    l.goes = [](const fastmem_memory_t* memory, void* context) {
      auto& r = *static_cast<Recorder*>(context);
      r.held.erase(memory->base);
      if (r.on_goes) r.on_goes();
    };
    l.may_grow = [](int node, std::size_t size, std::size_t held_now, void* context) {
      auto& r = *static_cast<Recorder*>(context);
      return r.on_may_grow ? r.on_may_grow(node, size, held_now) : 0;
    };
    l.removed = [](void* context) { ++static_cast<Recorder*>(context)->removed; };
    return l;
  }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [base, memory] : held) sum += memory.size;
    return sum;
  }
  const fastmem_memory_t* of(const void* p) const {
    for (const auto& [base, memory] : held) {
      const auto at = static_cast<const char*>(p) - static_cast<const char*>(base);
      if (at >= 0 && static_cast<std::size_t>(at) < memory.size) return &memory;
    }
    return nullptr;
  }
};

TEST_CASE("every object lies in memory that was announced") {
  Recorder r;
  const fastmem_listener_t l = r.listener();
  {
    const CHeap heap;
    void* const early = heap.alloc(100);
    REQUIRE(fastmem_listen(heap, &l) == 0);
    CHECK(r.of(early) != nullptr);
    std::vector<void*> all;
    for (unsigned i = 0; i < 20; ++i) {
      all.push_back(heap.alloc(kMegabyte));
      const fastmem_memory_t* const memory = r.of(all.back());
      REQUIRE(memory != nullptr);
      CHECK(memory->struct_size == sizeof(*memory));
      CHECK(memory->page_size == 4096);
      CHECK(memory->iovas == nullptr);
      CHECK(memory->pages == 0);
      CHECK(memory->fd == -1);
      CHECK(memory->node >= 0);
      std::memset(all.back(), 1, kMegabyte);
    }
    CHECK(r.bytes() == heap.stats().bytes_backing);
    CHECK(heap.free_all(all) == 0);
    CHECK(heap.free(early) == 0);
    fastmem_trim(heap);
    CHECK(r.held.empty());
    CHECK(heap.alloc(1) != nullptr);
    CHECK(r.held.size() == 1);
    CHECK(r.removed == 0);
  }
  CHECK(r.held.empty());
  CHECK(r.removed == 1);
}

TEST_CASE("regions come with the addresses that a device is told") {
  fastmem_config_t config = test::small_config();
  config.iova_mode = FASTMEM_IOVA_VA;
  Recorder r;
  const CHeap heap(config);
  const fastmem_listener_t l = r.listener(FASTMEM_LISTEN_IOVAS);
  REQUIRE(fastmem_listen(heap, &l) == 0);
  void* const p = heap.alloc(5000);
  const fastmem_memory_t* const memory = r.of(p);
  REQUIRE(memory != nullptr);
  REQUIRE(memory->pages == memory->size / memory->page_size);
  const auto offset = static_cast<std::size_t>(static_cast<char*>(p) - static_cast<char*>(memory->base));
  CHECK(memory->iovas[offset / memory->page_size] + offset % memory->page_size == fastmem_virt_to_iova(heap, p));
  CHECK(fastmem_unlisten(heap, "recorder") == 0);
}

TEST_CASE("where there are no addresses for a device, growth says so") {
  Recorder r;
  const CHeap heap;
  const fastmem_listener_t l = r.listener(FASTMEM_LISTEN_IOVAS);
  REQUIRE(fastmem_listen(heap, &l) == 0);
  CHECK(heap.alloc(100) == nullptr);
  CHECK(errno == ENOMEM);
  CHECK(says(error_text(), "a listener wants device addresses"));
  CHECK(fastmem_unlisten(heap, "recorder") == 0);
  CHECK(heap.alloc(100) != nullptr);
  CHECK(fastmem_listen(heap, &l) == -ENOTSUP);
}

TEST_CASE("a veto reaches the allocation's error text, by came() and by may_grow()") {
  Recorder r;
  const CHeap heap;
  const fastmem_listener_t l = r.listener();
  REQUIRE(fastmem_listen(heap, &l) == 0);
  r.on_came = [](const fastmem_memory_t&) { return fastmem_refuse(-ENOSPC, "the card has no entry left"); };
  CHECK(heap.alloc(100) == nullptr);
  CHECK(errno == ENOMEM);
  CHECK(says(error_text(), "recorder: the card has no entry left"));
  CHECK(heap.stats().bytes_backing == 0);
  r.on_came = [](const fastmem_memory_t&) { return -EPERM; };
  CHECK(fastmem_reserve(heap, kMegabyte, FASTMEM_NODE_ANY) == -ENOMEM);
  CHECK(says(error_text(), "recorder: no permission"));
  r.on_came = nullptr;
  r.on_may_grow = [](int, std::size_t, std::size_t) { return fastmem_refuse(-ENOMEM, "the budget is spent"); };
  CHECK(fastmem_reserve(heap, kMegabyte, FASTMEM_NODE_ANY) == -ENOMEM);
  CHECK(says(error_text(), "recorder: the budget is spent"));
  CHECK(fastmem_unlisten(heap, "recorder") == 0);
  CHECK(r.removed == 1);
  CHECK(heap.alloc(100) != nullptr);
  r.on_came = [](const fastmem_memory_t&) { return fastmem_refuse(-EBUSY, "not now"); };
  CHECK(fastmem_listen(heap, &l) == -EBUSY);
  CHECK(says(error_text(), "recorder: not now"));
  CHECK(r.removed == 1);
}

TEST_CASE("arguments") {
  Recorder r;
  const CHeap heap;
  fastmem_listener_t l = r.listener();
  CHECK(fastmem_listen(heap, nullptr) == -EINVAL);
  l.struct_size = 0;
  CHECK(fastmem_listen(heap, &l) == -EINVAL);
  l = r.listener(1u << 5);
  CHECK(fastmem_listen(heap, &l) == -EINVAL);
  l = r.listener(0, "");
  CHECK(fastmem_listen(heap, &l) == -EINVAL);
  l = r.listener();
  l.struct_size = offsetof(fastmem_listener_t, removed);  // of a header that did not know it
  CHECK(fastmem_listen(heap, &l) == 0);
  CHECK(fastmem_listen(heap, &l) == -EEXIST);
  CHECK(fastmem_unlisten(heap, "nobody") == -ENOENT);
  CHECK(fastmem_unlisten(heap, nullptr) == -ENOENT);
  CHECK(fastmem_unlisten(heap, "recorder") == 0);
  CHECK(r.removed == 0);
  for (unsigned i = 0; i < 8; ++i) {
    const std::string name = "number " + std::to_string(i);
    l = r.listener(0, name.c_str());
    CHECK(fastmem_listen(heap, &l) == 0);
  }
  l = r.listener();
  CHECK(fastmem_listen(heap, &l) == -ENOSPC);
}

// From a callback: `heap` is the one that calls, or another, or NULL.
void call_everything(fastmem_heap_t* heap, void* object, fastmem_handle_t handle) {
  void* out[2] = {};
  const auto refused = [] { return says(error_text(), "a callback of listener recorder"); };
  errno = 0;
  CHECK(fastmem_heap_alloc(heap, 100, 0, 0) == nullptr);
  CHECK(errno == EDEADLK);
  CHECK(refused());
  errno = 0;
  CHECK(fastmem_heap_alloc_on(heap, 100, 64, FASTMEM_ZERO, FASTMEM_NODE_ANY) == nullptr);
  CHECK(errno == EDEADLK);
  CHECK(fastmem_handle_alloc(heap, handle, 0) == nullptr);
  CHECK(fastmem_heap_realloc(heap, object, 100, 0) == nullptr);
  CHECK(fastmem_heap_alloc_bulk(heap, out, 2, 100, 0, 0, FASTMEM_NODE_ANY) == -EDEADLK);
  CHECK(fastmem_handle_alloc_bulk(heap, handle, out, 2, 0) == -EDEADLK);
  CHECK(fastmem_heap_free(heap, object) == -EDEADLK);
  CHECK(fastmem_heap_free_sized(heap, object, 100) == -EDEADLK);
  CHECK(fastmem_handle_free(heap, handle, object) == -EDEADLK);
  CHECK(fastmem_heap_free_bulk(heap, &object, 1) == -EDEADLK);
  CHECK(fastmem_reserve(heap, kMegabyte, FASTMEM_NODE_ANY) == -EDEADLK);
  CHECK(fastmem_set_limit(heap, kMegabyte, FASTMEM_NODE_ANY) == -EDEADLK);
  CHECK(fastmem_trim(heap) == 0);
  CHECK(refused());
  fastmem_flush(heap);
  fastmem_stats_reset(heap);
  fastmem_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  CHECK(fastmem_stats(heap, &stats) == -EDEADLK);
  fastmem_class_stats_t of_class = {};
  of_class.struct_size = sizeof(of_class);
  CHECK(fastmem_stats_class(heap, 64, &of_class) == -EDEADLK);
  fastmem_slot_stats_t of_slot = {};
  of_slot.struct_size = sizeof(of_slot);
  CHECK(fastmem_stats_slot(heap, 1, &of_slot) == -EDEADLK);
  Recorder inner;
  const fastmem_listener_t l = inner.listener(0, "inner");
  CHECK(fastmem_listen(heap, &l) == -EDEADLK);
  CHECK(fastmem_unlisten(heap, "recorder") == -EDEADLK);
  CHECK(fastmem_heap_create(nullptr) == nullptr);
  CHECK(errno == EDEADLK);
  CHECK(fastmem_init(nullptr) == -EDEADLK);
  if (heap != nullptr) CHECK(fastmem_heap_destroy(heap) == -EDEADLK);
  CHECK(fastmem_heap_usable_size(heap, object) >= 100);
}

// First of all tests that make the default heap.
TEST_CASE("a callback does not make the default heap") {
  Recorder r;
  const CHeap heap;
  r.on_came = [](const fastmem_memory_t&) {
    errno = 0;
    CHECK(fastmem_alloc(100, 0, 0) == nullptr);
    CHECK(errno == EDEADLK);
    CHECK(fastmem_free(&errno) == -EDEADLK);
    CHECK(fastmem_default_heap() == nullptr);
    CHECK(fastmem_slot() == 0);
    return 0;
  };
  const fastmem_listener_t l = r.listener();
  REQUIRE(fastmem_listen(heap, &l) == 0);
  void* const p = heap.alloc(100);
  CHECK(p != nullptr);
  CHECK(heap.free(p) == 0);
  void* const by_default = fastmem_alloc(100, 0, 0);
  CHECK(by_default != nullptr);
  CHECK(fastmem_free(by_default) == 0);
}

TEST_CASE("no callback reaches a heap: its own, another, the default one") {
  Recorder r;
  const CHeap heap, other;
  void* const mine = heap.alloc(100);
  void* const others = other.alloc(100);
  void* const by_default = fastmem_alloc(100, 0, 0);
  fastmem_handle_t handle = 0, others_handle = 0, default_handle = 0;
  REQUIRE(fastmem_handle(heap, 100, 0, FASTMEM_NODE_ANY, &handle) == 0);
  REQUIRE(fastmem_handle(other, 100, 0, FASTMEM_NODE_ANY, &others_handle) == 0);
  REQUIRE(fastmem_handle(nullptr, 100, 0, FASTMEM_NODE_ANY, &default_handle) == 0);
  unsigned calls = 0;
  const auto reenter = [&] {
    ++calls;
    call_everything(heap, mine, handle);
    call_everything(other, others, others_handle);
    call_everything(nullptr, by_default, default_handle);
    return 0;
  };
  r.on_came = [&](const fastmem_memory_t&) { return reenter(); };
  r.on_may_grow = [&](int, std::size_t, std::size_t) { return reenter(); };
  r.on_goes = [&] { reenter(); };
  const fastmem_listener_t l = r.listener();
  REQUIRE(fastmem_listen(heap, &l) == 0);
  std::vector<void*> all;
  for (unsigned i = 0; i < 6; ++i) all.push_back(heap.alloc(kMegabyte));
  CHECK(heap.free_all(all) == 0);
  fastmem_trim(heap);
  CHECK(calls > 6);
  CHECK(fastmem_unlisten(heap, "recorder") == 0);
  CHECK(heap.free(mine) == 0);
  CHECK(other.free(others) == 0);
  CHECK(fastmem_free(by_default) == 0);
  CHECK(heap.stats().bytes_in_use == 0);
  CHECK(heap.stats().misuse == 0);
}

TEST_CASE("in C++") {
  Config config;
  config.pages = PageKind::kSmall;
  config.region_size = config.first_region = kMiB * 2;
  config.address_space = kGiB;
  Result<Heap> heap = Heap::create(config);
  REQUIRE(heap.ok());
  Bytes held;
  MemoryListener l;
  l.name = "held";
  l.context = &held;
  l.came = [](const MemoryEvent& memory, void* context) {
    *static_cast<Bytes*>(context) += memory.size;
    return Error{};
  };
  l.goes = [](const MemoryEvent& memory, void* context) { *static_cast<Bytes*>(context) -= memory.size; };
  REQUIRE(heap->listen(l).ok());
  CHECK(heap->listen(l).code == ErrorCode::kExists);
  void* const p = heap->alloc(100);
  CHECK(held == kMiB * 2);
  heap->free(p);
  heap->trim();
  CHECK(held == Bytes{});
  CHECK(heap->unlisten("held").ok());
  CHECK(heap->unlisten("held").code == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace fastmem
