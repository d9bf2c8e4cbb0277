// SPDX-License-Identifier: BSD-3-Clause
#include "tools/trace/mapped_memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

namespace fastmem::tools {

void* map_pages(std::size_t bytes) {
  void* const pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (pages == MAP_FAILED) {
    std::fprintf(stderr, "fastmem: the system has no %zu bytes left for the trace's tables\n", bytes);
    std::exit(1);
  }
  return pages;
}

void unmap_pages(void* pages, std::size_t bytes) { munmap(pages, bytes); }

}  // namespace fastmem::tools
