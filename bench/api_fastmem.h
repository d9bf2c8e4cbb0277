// SPDX-License-Identifier: BSD-3-Clause
// bench/api_fastmem.h -- Q: what does fastmem cost, called as a C program calls it?
#pragma once

#include "api/fastmem.h"
#include "bench/scenario.h"

namespace bench {

// The general scenarios free without a size, as malloc's users must.
struct FastmemApi {
  static constexpr bool kAnySize = true;

  static const char* start(const Setup& setup) {
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

  class Fixed {
   public:
    explicit Fixed(std::size_t size) {
      if (fastmem_handle(nullptr, size, 0, FASTMEM_NODE_ANY, &handle_) != 0)
        die("fastmem_handle", fastmem_error_text());
    }
    void* alloc() const { return fastmem_handle_alloc(nullptr, handle_, 0); }
    void free(void* p) const { fastmem_handle_free(nullptr, handle_, p); }

   private:
    fastmem_handle_t handle_ = 0;
  };
};

}  // namespace bench
