// SPDX-License-Identifier: BSD-3-Clause
#include "platform/leak_roots.h"

// Not there in a program without the sanitizer.
extern "C" [[gnu::weak]] void __lsan_register_root_region(const void* base, std::size_t size);
extern "C" [[gnu::weak]] void __lsan_unregister_root_region(const void* base, std::size_t size);

namespace fastmem {

void add_leak_root(const void* base, Bytes size) {
  if (__lsan_register_root_region != nullptr) __lsan_register_root_region(base, size.rep);
}

void remove_leak_root(const void* base, Bytes size) {
  if (__lsan_unregister_root_region != nullptr) __lsan_unregister_root_region(base, size.rep);
}

}  // namespace fastmem
