// SPDX-License-Identifier: BSD-3-Clause
// tests/api/c_heap.h: a heap of the C interface, small and of small pages unless a test wants it otherwise.
#pragma once

#include <doctest/doctest.h>
#include <fastmem.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fastmem::test {

inline constexpr std::size_t kMegabyte = std::size_t{1} << 20;

// Lazy pages, small steps and little address space: tests run side by side.
inline fastmem_config_t small_config() {
  fastmem_config_t config;
  fastmem_config_init(&config);
  config.pages = FASTMEM_PAGES_4K;
  config.iova_mode = FASTMEM_IOVA_NONE;
  config.region_size = 2 * kMegabyte;
  config.first_region = 2 * kMegabyte;
  config.address_space = 1024 * kMegabyte;
  return config;
}

class CHeap {
 public:
  CHeap() : CHeap(small_config()) {}
  explicit CHeap(const fastmem_config_t& config) : heap_(fastmem_heap_create(&config)) {
    REQUIRE_MESSAGE(heap_ != nullptr, std::string(fastmem_error_text()));
  }
  CHeap(const CHeap&) = delete;
  CHeap& operator=(const CHeap&) = delete;
  ~CHeap() { fastmem_heap_destroy(heap_); }

  operator fastmem_heap_t*() const { return heap_; }  // NOLINT: stands where the heap does

  void* alloc(std::size_t size, std::size_t align = 0, unsigned flags = 0) const {
    return fastmem_heap_alloc(heap_, size, align, flags);
  }
  int free(void* p) const { return fastmem_heap_free(heap_, p); }

  // As many as there is memory for.
  std::vector<void*> alloc_all(std::size_t size) const {
    std::vector<void*> objects;
    while (void* const p = alloc(size)) objects.push_back(p);
    return objects;
  }
  int free_all(const std::vector<void*>& objects) const {
    return fastmem_heap_free_bulk(heap_, objects.data(), objects.size());
  }

  fastmem_stats_t stats() const {
    fastmem_stats_t s = {};
    s.struct_size = sizeof(s);
    REQUIRE(fastmem_stats(heap_, &s) == 0);
    return s;
  }
  fastmem_class_stats_t class_stats(std::size_t class_size) const {
    fastmem_class_stats_t s = {};
    s.struct_size = sizeof(s);
    REQUIRE(fastmem_stats_class(heap_, class_size, &s) == 0);
    return s;
  }
  fastmem_node_stats_t node_stats(int node) const {
    fastmem_node_stats_t s = {};
    s.struct_size = sizeof(s);
    REQUIRE(fastmem_stats_node(heap_, node, &s) == 0);
    return s;
  }
  std::vector<std::size_t> classes() const {
    std::vector<std::size_t> sizes(fastmem_classes(heap_, nullptr));
    fastmem_classes(heap_, sizes.data());
    return sizes;
  }

 private:
  fastmem_heap_t* heap_;
};

inline std::string error_text() { return fastmem_error_text(); }
inline bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The first node that is there.
inline int some_node(fastmem_heap_t* heap) {
  fastmem_node_stats_t s = {};
  s.struct_size = sizeof(s);
  int node = 0;
  while (node < 1024 && fastmem_stats_node(heap, node, &s) != 0) ++node;
  return node;
}

}  // namespace fastmem::test
