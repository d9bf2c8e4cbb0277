// SPDX-License-Identifier: BSD-3-Clause
// bench/allocators.h -- Q: who is compared, and how does each get into a process?
//
// To add one: a row in allocators.cc and, unless it replaces malloc, an Api (see bench/api_malloc.h) with its suite.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct AllocatorInfo {
  std::string name;
  std::string soname;   // replaces malloc when preloaded; "": none
  std::string program;  // the worker, beside this program; "": this program itself
  bool judged;          // one of those fastmem is asked to beat
};

// In the order of the table; fastmem first.
const std::vector<AllocatorInfo>& allocators();

// nullptr: no such allocator.
const AllocatorInfo* find_allocator(const std::string& name);

inline constexpr const char* kOurs = "fastmem";
inline constexpr const char* kGlibc = "glibc";

// Where its parts lie on this machine; installed: all of them are here.
struct Located {
  bool installed = false;
  std::string preload;  // full path or ""
  std::string program;  // full path
};
Located locate(const AllocatorInfo& allocator);

}  // namespace bench
