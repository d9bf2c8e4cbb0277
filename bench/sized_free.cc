// SPDX-License-Identifier: BSD-3-Clause
// bench/sized_free.cc -- Q: how is the malloc of this process told the size of what is freed?
#include "bench/sized_free.h"

#include <dlfcn.h>

#include <cstdlib>
#include <initializer_list>

namespace bench {
namespace {

using SizedFreeWithFlags = void (*)(void* p, std::size_t size, int flags);
SizedFreeWithFlags g_sdallocx = nullptr;

void free_by_sdallocx(void* p, std::size_t size) { g_sdallocx(p, size, 0); }
void free_without_size(void* p, std::size_t) { std::free(p); }

}  // namespace

SizedFree find_sized_free() {
  g_sdallocx = reinterpret_cast<SizedFreeWithFlags>(dlsym(RTLD_DEFAULT, "sdallocx"));
  if (g_sdallocx != nullptr) return free_by_sdallocx;
  for (const char* name : {"mi_free_size", "tc_free_sized"}) {
    if (void* const found = dlsym(RTLD_DEFAULT, name); found != nullptr) return reinterpret_cast<SizedFree>(found);
  }
  return free_without_size;
}

}  // namespace bench
