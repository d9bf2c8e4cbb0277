// SPDX-License-Identifier: BSD-3-Clause
// bench/api_malloc.h -- Q: what does an allocator that replaces malloc cost?
//
// The model of an Api: what the scenarios need, and nothing between them and the allocator. alloc and free are one call
// each: the bench is built with -fno-plt, so that malloc is called through its slot in the global offset table and an
// archive's function directly, which costs the same; no Api pays for a stub.
#pragma once

#include <cstdlib>

#include "bench/scenario.h"
#include "bench/sized_free.h"

namespace bench {

struct MallocApi {
  static constexpr bool kAnySize = true;  // false: only Setup::size, as a pool
  static constexpr bool kCalled = true;   // alloc and free are function calls; false: inlined
  using OutOfLine = MallocApi;            // by C functions, where the usual way is inlined
  using Plugin = MallocApi;               // the same in a shared library that is loaded late
  using CorePlugin = MallocApi;           // not by C functions there

  // Before anything else. nullptr, or why it cannot be used.
  static const char* start(const Setup&) {
    sized_free_ = find_sized_free();
    return nullptr;
  }

  static void* alloc(std::size_t size) { return std::malloc(size); }
  static void free(void* p) { std::free(p); }
  static void free_sized(void* p, std::size_t size) { sized_free_(p, size); }

  static void read_books(Footprint&) {}  // those of an allocator that tells

  // Many objects by the best means there are.
  static void alloc_bulk(void** objects, std::size_t n, std::size_t size) {
    for (std::size_t i = 0; i < n; ++i) objects[i] = alloc(size);
  }
  static void free_bulk(void** objects, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) free(objects[i]);
  }

  // Objects of one size, known long before, by the best means there are.
  class Fixed {
   public:
    static constexpr bool kCalled = true;

    explicit Fixed(std::size_t size) : size_(size) {}
    void* alloc() const { return MallocApi::alloc(size_); }
    void free(void* p) const { MallocApi::free(p); }

   private:
    std::size_t size_;
  };

 private:
  static inline SizedFree sized_free_ = nullptr;
};

}  // namespace bench
