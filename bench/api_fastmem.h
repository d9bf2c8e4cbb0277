// SPDX-License-Identifier: BSD-3-Clause
// bench/api_fastmem.h -- Q: what does fastmem cost, called as C++ and as C programs call it?
#pragma once

#include <malloc.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "api/fastmem.h"
#include "api/fastmem.hpp"
#include "bench/api_plugin.h"
#include "bench/scenario.h"

namespace bench {

// Called as a C program calls it: a function for each, out of line.
struct FastmemCApi {
  static const char* start(const Setup& setup) {
    fastmem_config_t config;
    fastmem_config_init(&config);
    config.pages = setup.pages;
    return fastmem_init(&config) == 0 ? nullptr : fastmem_error_text();
  }
  static constexpr bool kCalled = true;

  static void* alloc(std::size_t size) { return fastmem_alloc(size, 0, 0); }
  static void free(void* p) { fastmem_free(p); }

  class Fixed {
   public:
    static constexpr bool kCalled = true;

    explicit Fixed(std::size_t size) {
      if (fastmem_handle(nullptr, size, 0, FASTMEM_NODE_ANY, &handle_) != 0) die("no handle", fastmem_error_text());
    }
    void* alloc() const { return fastmem_handle_alloc(nullptr, handle_, 0); }
    void free(void* p) const { fastmem_handle_free(nullptr, handle_, p); }

   private:
    fastmem_handle_t handle_ = 0;
  };
};

// Called as a C++ program calls it: the header's functions, which the compiler inlines. The general scenarios free
// without a size, as malloc's users must.
struct FastmemApi {
  static constexpr bool kAnySize = true;
  static constexpr bool kCalled = false;
  using OutOfLine = FastmemCApi;
  using Plugin = FastmemPluginApi;
  using CorePlugin = CorePluginApi;

  static const char* start(const Setup& setup) {
    fastmem_set_log(&FastmemApi::log, nullptr);
    fastmem::Result<fastmem::Heap> made = fastmem::Heap::create({.pages = static_cast<fastmem::PageKind>(setup.pages)});
    if (!made.ok()) return fastmem_error_text();
    heap_.emplace(std::move(*made));
    malloc_trim(0);  // the malloc beside it is as in the process that footprint compares with, see Runner::idle_bytes()
    return nullptr;
  }

  static void* alloc(std::size_t size) { return heap_->alloc(size); }
  static void free(void* p) { heap_->free(p); }
  static void free_sized(void* p, std::size_t size) { heap_->free(p, size); }

  static void read_books(Footprint& footprint) {
    const fastmem::HeapStats stats = heap_->stats();
    footprint.backing = static_cast<double>(stats.backing.rep);
    footprint.metadata = static_cast<double>(stats.metadata.rep);
  }

  static void alloc_bulk(void** objects, std::size_t n, std::size_t size) {
    if (heap_->alloc_bulk({objects, n}, size) != fastmem::ErrorCode::kOk) die("alloc_bulk", fastmem_error_text());
  }
  static void free_bulk(void** objects, std::size_t n) { heap_->free_bulk({objects, n}); }

  class Fixed {
   public:
    explicit Fixed(std::size_t size) {
      const fastmem::Result<fastmem::Handle> handle = heap_->handle(size);
      if (!handle.ok()) die("no handle", fastmem_error_text());
      handle_ = handle.value();
    }
    void* alloc() const { return heap_->alloc(handle_); }
    void free(void* p) const { heap_->free(handle_, p); }

   private:
    fastmem::Handle handle_;
  };

 private:
  static void log(int level, const char* line, void*) {
    if (level >= FASTMEM_LOG_ERROR) std::fprintf(stderr, "fastmem: %s\n", line);
  }

  static inline std::optional<fastmem::Heap> heap_;  // as a program's own: an object with a fixed address
};

}  // namespace bench
