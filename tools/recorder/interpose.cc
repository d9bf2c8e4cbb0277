// SPDX-License-Identifier: BSD-3-Clause
// tools/recorder/interpose.cc -- Q: what does a program that preloads the recorder call instead of malloc?
// The real function, and one event: after an allocation, before a release (see tools/trace/format.h for why).
#include <stdlib.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "tools/recorder/real.h"
#include "tools/recorder/trace_file.h"

#define EXPORT extern "C" [[gnu::visibility("default")]]

namespace fastmem::recorder {
namespace {

std::size_t page_size() { return static_cast<std::size_t>(getpagesize()); }

void* recorded(std::size_t alignment, std::size_t size, void* ptr) {
  if (ptr != nullptr && alignment > alignof(std::max_align_t)) {
    record_aligned(std::bit_ceil(alignment), size, ptr);
  } else if (ptr != nullptr) {
    record_alloc(size, ptr);
  }
  return ptr;
}

void release(void* ptr) {
  if (ptr == nullptr || is_boot(ptr)) return;
  const Real* const r = real();
  if (r == nullptr) return;
  record_free(ptr);
  r->free(ptr);
}

// Out of the boot buffer, into the real allocator.
void* leave_boot(void* ptr, std::size_t size) {
  void* const moved = malloc(size);
  if (moved != nullptr) std::memcpy(moved, ptr, size < boot_size(ptr) ? size : boot_size(ptr));
  return moved;
}

void* resize(void* ptr, std::size_t size) {
  if (ptr == nullptr) return malloc(size);
  if (is_boot(ptr)) return leave_boot(ptr, size);
  const Real* const r = real();
  if (r == nullptr) return nullptr;
  record_realloc_begin(ptr);
  void* const moved = r->realloc(ptr, size);
  if (moved != nullptr) {
    record_realloc_end(size == 0 ? 1 : size, moved);
  } else if (size != 0) {
    record_realloc_end(0, ptr);
  }
  return moved;
}

}  // namespace
}  // namespace fastmem::recorder

using namespace fastmem::recorder;  // NOLINT: the functions below live outside every namespace

EXPORT void* malloc(size_t size) noexcept {
  const Real* const r = real();
  if (r == nullptr) return boot_alloc(size, 16);
  void* const ptr = r->malloc(size);
  if (ptr != nullptr) record_alloc(size, ptr);
  return ptr;
}

EXPORT void free(void* ptr) noexcept { release(ptr); }

EXPORT void* calloc(size_t count, size_t size) noexcept {
  const Real* const r = real();
  if (r == nullptr) return boot_alloc(count * size, 16);
  void* const ptr = r->calloc(count, size);
  if (ptr != nullptr) record_calloc(count * size, ptr);
  return ptr;
}

EXPORT void* realloc(void* ptr, size_t size) noexcept { return resize(ptr, size); }

EXPORT void* reallocarray(void* ptr, size_t count, size_t size) noexcept {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return nullptr;
  }
  return resize(ptr, bytes);
}

EXPORT int posix_memalign(void** out, size_t alignment, size_t size) noexcept {
  const Real* const r = real();
  if (r == nullptr) return ENOMEM;
  const int error = r->posix_memalign(out, alignment, size);
  if (error == 0) recorded(alignment, size, *out);
  return error;
}

EXPORT void* aligned_alloc(size_t alignment, size_t size) noexcept {
  const Real* const r = real();
  return r == nullptr ? boot_alloc(size, alignment) : recorded(alignment, size, r->aligned_alloc(alignment, size));
}

EXPORT void* memalign(size_t alignment, size_t size) noexcept {
  const Real* const r = real();
  return r == nullptr ? boot_alloc(size, alignment) : recorded(alignment, size, r->memalign(alignment, size));
}

EXPORT void* valloc(size_t size) noexcept {
  const Real* const r = real();
  return r == nullptr ? nullptr : recorded(page_size(), size, r->valloc(size));
}

EXPORT void* pvalloc(size_t size) noexcept {
  const Real* const r = real();
  return r == nullptr ? nullptr : recorded(page_size(), size, r->pvalloc(size));
}

// C23. What they add is a promise about the object; a libc without them has free().
EXPORT void free_sized(void* ptr, size_t /*size*/) noexcept { release(ptr); }
EXPORT void free_aligned_sized(void* ptr, size_t /*alignment*/, size_t /*size*/) noexcept { release(ptr); }
