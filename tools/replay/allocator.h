// SPDX-License-Identifier: BSD-3-Clause
// tools/replay/allocator.h -- Q: which functions does a replay call? All sides are called the same way, through
// pointers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fastmem::tools {

// Sizes are at least 1.
struct Allocator {
  void (*start)();  // before the first call; nullptr: it started with the process
  void* (*alloc)(std::size_t size);
  void* (*calloc)(std::size_t size);
  void* (*aligned)(std::size_t alignment, std::size_t size);
  void* (*realloc)(void* ptr, std::size_t size);
  void (*free)(void* ptr);
};

struct AllocatorInfo {
  const char* name;
  const char* library;  // "": none is preloaded
  const char* package;  // what to install when the library is not there
};

const std::vector<AllocatorInfo>& known_allocators();
const AllocatorInfo* find_allocator(const std::string& name);

// In the process that plays: fastmem's C API, or the process's malloc, whichever library provides it.
const Allocator& fastmem_allocator();
const Allocator& process_allocator();
// The C library's own functions, for what fastmem does not serve, whatever is preloaded.
const Allocator& system_allocator();

// True when the library, preloaded, provides this process's malloc.
bool provides_malloc(const char* library);

// Warnings of fastmem are not shown any more; errors are.
void silence_fastmem();

// The largest object that fastmem serves.
std::uint64_t fastmem_limit();

}  // namespace fastmem::tools
