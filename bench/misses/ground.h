// SPDX-License-Identifier: BSD-3-Clause
// bench/misses/ground.h -- Q: on which heap is a path measured, and how does one object of it come and go?
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "api/fastmem.hpp"
#include "bench/machine.h"
#include "bench/scenario.h"
#include "core/heap.h"

namespace bench {

namespace core = fastmem::core;
using fastmem::Bytes;

// A heap of its own, gone with the object.
class Ground {
 public:
  struct Setup {
    fastmem::PageKind pages;
    Bytes reserve = {};  // of memory up front, every page present: populated with madvise(MADV_POPULATE_WRITE)
    Bytes region = {};   // every growth step; 0: the heap's defaults
  };
  explicit Ground(const Setup& setup);
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;
  ~Ground() { heap_->destroy(); }

  core::Heap& heap() const { return *heap_; }
  // "2 MiB pages", of the first region.
  std::string pages() const;

 private:
  void populate();
  core::Heap* heap_ = nullptr;
};

// Objects of one size that live and die in order. Timed calls are those that the scenario knows to miss; the heap's own
// counters prove it afterwards.
class Herd {
 public:
  Herd(core::Heap& heap, std::size_t size, std::size_t most) : heap_(heap), size_(size), live_(most) {}

  std::size_t count() const { return n_; }
  void grow(std::size_t n) {
    for (; n > 0; --n) add(heap_.alloc(size_));
  }
  void shrink(std::size_t n) {
    for (; n > 0; --n) heap_.free(live_[--n_]);
  }
  void grow_to(std::size_t n) { grow(n - n_); }
  void shrink_to(std::size_t n) { shrink(n_ - n); }

  template <class Clock>
  void grow_timed(Clock& samples) {
    void* p = nullptr;
    samples.time([&] { p = heap_.alloc(size_); });
    add(p);
  }
  template <class Clock>
  void shrink_timed(Clock& samples) {
    void* const p = live_[--n_];
    samples.time([&] { heap_.free(p); });
  }

  // Goes on until the calling thread's cache has just missed so many times more.
  void grow_past_misses(unsigned misses) {
    for (const std::uint64_t until = slot().alloc_misses + misses; slot().alloc_misses < until;) grow(1);
  }
  void shrink_past_misses(unsigned misses) {
    for (const std::uint64_t until = slot().free_misses + misses; slot().free_misses < until;) shrink(1);
  }

  core::SlotStats slot() const { return heap_.slot_class_stats(fastmem::thread_slot().rep, size_).value(); }
  core::ClassStats bin() const { return heap_.class_stats(size_).value(); }
  Books<void*>& objects() { return live_; }

 private:
  void add(void* p) {
    if (p == nullptr || n_ == live_.size()) [[unlikely]]
      die("no object for the bench", fastmem::last_error().text);
    live_[n_++] = p;
  }

  core::Heap& heap_;
  std::size_t size_;
  Books<void*> live_;
  std::size_t n_ = 0;
};

// What was measured was not the path that the scenario names.
inline void require(bool taken, const char* path) {
  if (!taken) die("the path was not taken", path);
}

}  // namespace bench
