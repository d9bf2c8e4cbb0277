// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/allocator.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "api/fastmem.h"

// glibc's names for its own functions.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void* __libc_realloc(void* ptr, size_t size);
void __libc_free(void* ptr);
}

namespace fastmem::tools {
namespace {

void* aligned_by_process(std::size_t alignment, std::size_t size) {
  void* ptr = nullptr;
  return posix_memalign(&ptr, alignment < sizeof(void*) ? sizeof(void*) : alignment, size) == 0 ? ptr : nullptr;
}

constexpr Allocator kFastmem = {
    .start = [] { fastmem_default_heap(); },
    .alloc = [](std::size_t size) { return fastmem_alloc(size, 0, 0); },
    .calloc = [](std::size_t size) { return fastmem_alloc(size, 0, FASTMEM_ZERO); },
    .aligned = [](std::size_t alignment, std::size_t size) { return fastmem_alloc(size, alignment, 0); },
    .realloc = [](void* ptr, std::size_t size) { return fastmem_realloc(ptr, size, 0); },
    .free = [](void* ptr) { fastmem_free(ptr); },
};

constexpr Allocator kProcess = {
    .start = nullptr,
    .alloc = [](std::size_t size) { return std::malloc(size); },
    .calloc = [](std::size_t size) { return std::calloc(1, size); },
    .aligned = aligned_by_process,
    .realloc = [](void* ptr, std::size_t size) { return std::realloc(ptr, size); },
    .free = [](void* ptr) { std::free(ptr); },
};

constexpr Allocator kSystem = {
    .start = nullptr,
    .alloc = [](std::size_t size) { return __libc_malloc(size); },
    .calloc = [](std::size_t size) { return __libc_calloc(1, size); },
    .aligned = [](std::size_t alignment, std::size_t size) { return __libc_memalign(alignment, size); },
    .realloc = [](void* ptr, std::size_t size) { return __libc_realloc(ptr, size); },
    .free = [](void* ptr) { __libc_free(ptr); },
};

}  // namespace

const std::vector<AllocatorInfo>& known_allocators() {
  static const std::vector<AllocatorInfo> all = {
      {.name = "fastmem", .library = "", .package = ""},
      {.name = "glibc", .library = "", .package = ""},
      {.name = "jemalloc", .library = "libjemalloc.so.2", .package = "libjemalloc2"},
      {.name = "mimalloc", .library = "libmimalloc.so.2", .package = "libmimalloc2.0"},
      {.name = "tcmalloc", .library = "libtcmalloc_minimal.so.4", .package = "libtcmalloc-minimal4"},
  };
  return all;
}

const AllocatorInfo* find_allocator(const std::string& name) {
  for (const AllocatorInfo& info : known_allocators()) {
    if (name == info.name) return &info;
  }
  return nullptr;
}

const Allocator& fastmem_allocator() { return kFastmem; }
const Allocator& process_allocator() { return kProcess; }
const Allocator& system_allocator() { return kSystem; }

bool provides_malloc(const char* library) {
  Dl_info info{};
  void* const function = dlsym(RTLD_DEFAULT, "malloc");
  if (function == nullptr || dladdr(function, &info) == 0 || info.dli_fname == nullptr) return false;
  const char* const slash = std::strrchr(info.dli_fname, '/');
  return std::strcmp(slash == nullptr ? info.dli_fname : slash + 1, library) == 0;
}

void silence_fastmem() {
  fastmem_set_log(
      [](int level, const char* line, void*) {
        if (level == FASTMEM_LOG_ERROR) std::fprintf(stderr, "fastmem: %s\n", line);
      },
      nullptr);
}

std::uint64_t fastmem_limit() { return fastmem_max_size(nullptr); }

}  // namespace fastmem::tools
