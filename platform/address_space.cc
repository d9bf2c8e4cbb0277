// SPDX-License-Identifier: BSD-3-Clause
#include "platform/address_space.h"

#include <sys/mman.h>

namespace fastmem {

void* reserve_readable(Bytes size) {
  // Private, anonymous and read-only: the kernel maps its one zero page on a read and accounts nothing.
  void* const p = mmap(nullptr, size.rep, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  madvise(p, size.rep, MADV_NOHUGEPAGE);  // a table of a few lines must not cost a hugepage
  madvise(p, size.rep, MADV_DONTDUMP);
  return p;
}

bool make_writable(void* at, Bytes size) {
  const auto begin = round_down(reinterpret_cast<std::uintptr_t>(at), kSmallPage.rep);
  const auto end = round_up(reinterpret_cast<std::uintptr_t>(at) + size.rep, kSmallPage.rep);
  return mprotect(reinterpret_cast<void*>(begin), end - begin, PROT_READ | PROT_WRITE) == 0;
}

void populate(void* at, Bytes size) {
#ifdef MADV_POPULATE_WRITE
  const auto begin = round_down(reinterpret_cast<std::uintptr_t>(at), kSmallPage.rep);
  const auto end = round_up(reinterpret_cast<std::uintptr_t>(at) + size.rep, kSmallPage.rep);
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE);
#else
  static_cast<void>(at), static_cast<void>(size);
#endif
}

bool deny_access(void* at, Bytes size) { return size.rep == 0 || mprotect(at, size.rep, PROT_NONE) == 0; }
bool allow_access(void* at, Bytes size) { return size.rep == 0 || mprotect(at, size.rep, PROT_READ | PROT_WRITE) == 0; }

void unreserve(void* base, Bytes size) { munmap(base, size.rep); }

}  // namespace fastmem
