// SPDX-License-Identifier: BSD-3-Clause
#include "tools/trace/mapped_memory.h"

#include <cstdio>
#include <cstdlib>

#include "platform/address_space.h"

namespace fastmem::tools {

// Written once, so that its page faults are not part of what is measured.
void* map_pages(std::size_t bytes) {
  void* const pages = reserve_readable(Bytes(bytes));
  if (pages == nullptr || !make_writable(pages, Bytes(bytes))) {
    std::fprintf(stderr, "fastmem: the system has no %zu bytes left for the trace's tables\n", bytes);
    std::exit(1);
  }
  auto* const first = static_cast<volatile char*>(pages);
  for (std::size_t at = 0; at < bytes; at += kSmallPage.rep) first[at] = 0;
  return pages;
}

void unmap_pages(void* pages, std::size_t bytes) { unreserve(pages, Bytes(bytes)); }

}  // namespace fastmem::tools
