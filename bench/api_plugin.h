// SPDX-License-Identifier: BSD-3-Clause
// bench/api_plugin.h -- Q: what does fastmem cost in a plugin: a shared library that a program loads late?
//
// The library is position-independent, reaches its thread-local words through its offset table, and is called by
// pointers that dlsym() gave. It is there beside the fastmem in this program's archive, with a heap of its own; start()
// makes sure that the two are kept apart. It also is far away: on some processors a call to another part of the address
// space costs more, whatever it calls. So there are two of them, to be compared with each other.
#pragma once

#include <cstddef>

#include "bench/scenario.h"

namespace bench {

// libfastmem.so, by the functions of fastmem.h.
class FastmemPluginApi {
 public:
  static constexpr bool kCalled = true;

  // nullptr, or why it cannot be used.
  static const char* start(const Setup& setup);

  static void* alloc(std::size_t size) { return alloc_(size, 0, 0); }
  static void free(void* p) { free_(p); }

 private:
  using Alloc = void*(std::size_t size, std::size_t align, unsigned flags);
  using Free = int(void* p);

  static inline Alloc* alloc_ = nullptr;
  static inline Free* free_ = nullptr;
};

// The C++ core in a library of its own, see plugin_core.h.
class CorePluginApi {
 public:
  static constexpr bool kCalled = true;

  static const char* start(const Setup& setup);

  static void* alloc(std::size_t size) { return alloc_(size); }
  static void free(void* p) { free_(p); }

 private:
  using Alloc = void*(std::size_t size);
  using Free = void(void* p);

  static inline Alloc* alloc_ = nullptr;
  static inline Free* free_ = nullptr;
};

}  // namespace bench
