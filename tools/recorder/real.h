// SPDX-License-Identifier: BSD-3-Clause
// tools/recorder/real.h -- Q: which functions did we take the place of? Found by dlsym, which may itself want memory:
// until they are found, memory comes from a small buffer of our own and is never given back.
#pragma once

#include <cstddef>

namespace fastmem::recorder {

struct Real {
  void* (*malloc)(std::size_t);
  void (*free)(void*);
  void* (*calloc)(std::size_t, std::size_t);
  void* (*realloc)(void*, std::size_t);
  int (*posix_memalign)(void**, std::size_t, std::size_t);
  void* (*aligned_alloc)(std::size_t, std::size_t);
  void* (*memalign)(std::size_t, std::size_t);
  void* (*valloc)(std::size_t);
  void* (*pvalloc)(std::size_t);
};

// nullptr while they are being looked up by this very thread: use the boot functions then.
const Real* real();

void* boot_alloc(std::size_t size, std::size_t alignment);
bool is_boot(const void* ptr);
std::size_t boot_size(const void* ptr);

}  // namespace fastmem::recorder
