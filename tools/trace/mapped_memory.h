// SPDX-License-Identifier: BSD-3-Clause
// tools/trace/mapped_memory.h -- Q: where do the tools keep their own tables? In pages straight from the system: a
// replay measures malloc, so its own tables may not come from there.
#pragma once

#include <cstddef>
#include <vector>

namespace fastmem::tools {

// Whole pages, zeroed and present. Stops the program when the system has none left.
void* map_pages(std::size_t bytes);
void unmap_pages(void* pages, std::size_t bytes);

template <class T>
struct MappedAllocator {
  using value_type = T;
  MappedAllocator() = default;
  template <class U>
  MappedAllocator(const MappedAllocator<U>&) {}  // NOLINT: implicit, as containers need it
  T* allocate(std::size_t n) { return static_cast<T*>(map_pages(n * sizeof(T))); }
  void deallocate(T* pages, std::size_t n) { unmap_pages(pages, n * sizeof(T)); }
  template <class U>
  bool operator==(const MappedAllocator<U>&) const {
    return true;
  }
};

template <class T>
using MappedVector = std::vector<T, MappedAllocator<T>>;

}  // namespace fastmem::tools
