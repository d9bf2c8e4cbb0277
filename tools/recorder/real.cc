// SPDX-License-Identifier: BSD-3-Clause
#include "tools/recorder/real.h"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace fastmem::recorder {
namespace {

Real found;
// writer: the first caller, before the program has threads; acquire pairs with its release, for those that come later.
std::atomic<int> state{0};  // 0: not looked up, 1: under way, 2: found

constexpr std::size_t kBootBytes = std::size_t{128} << 10;
alignas(4096) char boot[kBootBytes];
std::atomic<std::size_t> boot_used{0};

template <class F>
void look_up(F& function, const char* name) {
  void* const symbol = dlsym(RTLD_NEXT, name);
  std::memcpy(&function, &symbol, sizeof(function));
}

void look_up_all() {
  look_up(found.malloc, "malloc");
  look_up(found.free, "free");
  look_up(found.calloc, "calloc");
  look_up(found.realloc, "realloc");
  look_up(found.posix_memalign, "posix_memalign");
  look_up(found.aligned_alloc, "aligned_alloc");
  look_up(found.memalign, "memalign");
  look_up(found.valloc, "valloc");
  look_up(found.pvalloc, "pvalloc");
}

}  // namespace

const Real* real() {
  if (state.load(std::memory_order_acquire) == 2) [[likely]]
    return &found;
  int expected = 0;
  if (!state.compare_exchange_strong(expected, 1)) return nullptr;
  look_up_all();
  state.store(2, std::memory_order_release);
  return &found;
}

// The size stands in the word before the object.
void* boot_alloc(std::size_t size, std::size_t alignment) {
  if (alignment < 16) alignment = 16;
  if (size > kBootBytes || alignment > 4096) return nullptr;
  const std::size_t room = size + alignment + 16;
  const std::size_t at = boot_used.fetch_add(room);
  if (at > kBootBytes || room > kBootBytes - at) return nullptr;
  const std::size_t object = (at + 16 + alignment - 1) & ~(alignment - 1);
  std::memcpy(boot + object - sizeof(size), &size, sizeof(size));
  return boot + object;
}

bool is_boot(const void* ptr) {
  const auto address = reinterpret_cast<std::uintptr_t>(ptr);
  const auto start = reinterpret_cast<std::uintptr_t>(&boot[0]);
  return address - start < kBootBytes;
}

std::size_t boot_size(const void* ptr) {
  std::size_t size = 0;
  std::memcpy(&size, static_cast<const char*>(ptr) - sizeof(size), sizeof(size));
  return size;
}

}  // namespace fastmem::recorder
