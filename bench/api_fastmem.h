// SPDX-License-Identifier: BSD-3-Clause
// bench/api_fastmem.h -- Q: what does fastmem cost, called as C programs call it, and by its handles?
#pragma once

#include <cstdio>

#include "api/fastmem.h"
#include "api/fastmem.hpp"
#include "bench/scenario.h"

namespace bench {

// The general scenarios free without a size, as malloc's users must.
struct FastmemApi {
  static constexpr bool kAnySize = true;

  static const char* start(const Setup& setup) {
    fastmem_set_log(&FastmemApi::log, nullptr);
    fastmem_config_t config;
    fastmem_config_init(&config);
    config.pages = setup.pages;
    return fastmem_init(&config) == 0 ? nullptr : fastmem_error_text();
  }

  static void* alloc(std::size_t size) { return fastmem_alloc(size, 0, 0); }
  static void free(void* p) { fastmem_free(p); }

  static void alloc_bulk(void** objects, std::size_t n, std::size_t size) {
    if (fastmem_alloc_bulk(objects, n, size, 0, 0) != 0) die("fastmem_alloc_bulk", fastmem_error_text());
  }
  static void free_bulk(void** objects, std::size_t n) { fastmem_free_bulk(objects, n); }

  // Warnings would be in the table once per scenario; the summary says which pages there were.
  static void log(int level, const char* line, void*) {
    if (level >= FASTMEM_LOG_ERROR) std::fprintf(stderr, "fastmem: %s\n", line);
  }

  // The inline functions of fastmem.hpp: what a handle is for.
  class Fixed {
   public:
    explicit Fixed(std::size_t size) : heap_(fastmem::Heap::default_heap()) {
      if (heap_ == nullptr) die("no default heap", fastmem_error_text());
      const fastmem::Result<fastmem::Handle> handle = heap_->handle(size);
      if (!handle.ok()) die("no handle", fastmem_error_text());
      handle_ = handle.value();
    }
    void* alloc() const { return heap_->alloc(handle_); }
    void free(void* p) const { heap_->free(handle_, p); }

   private:
    fastmem::Heap* heap_;
    fastmem::Handle handle_;
  };
};

}  // namespace bench
