// SPDX-License-Identifier: BSD-3-Clause
#include "platform/mapping_name.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "platform/text_file.h"

namespace fastmem {
namespace {

struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  const char* name = "";  // into the line

  bool has(std::uintptr_t at) const { return at >= begin && at < end; }
};

// "begin-end rights offset device inode   name"
Mapping parse(const char* line) {
  Mapping m;
  char* at = nullptr;
  m.begin = std::strtoull(line, &at, 16);
  if (*at != '-') return {};
  m.end = std::strtoull(at + 1, &at, 16);
  for (int field = 0; field < 4; ++field) {
    at += std::strspn(at, " ");
    at += std::strcspn(at, " ");
  }
  m.name = at + std::strspn(at, " ");
  return m;
}

void describe(const Mapping& m, bool is_stack, char* out, std::size_t size) {
  if (is_stack) {
    std::snprintf(out, size, "it is on this thread's stack");
  } else if (std::strcmp(m.name, "[heap]") == 0) {
    std::snprintf(out, size, "it is memory of the C library's heap");
  } else if (m.name[0] == '/') {
    const char* const slash = std::strrchr(m.name, '/');
    std::snprintf(out, size, "it lies in %s", slash + 1);
  } else if (m.name[0] == '[') {
    std::snprintf(out, size, "it lies in %s", m.name);
  } else {
    std::snprintf(out, size, "it is other memory of this process");
  }
}

}  // namespace

void describe_mapping(const void* p, char* out, std::size_t size) {
  const int saved = errno;
  const auto at = reinterpret_cast<std::uintptr_t>(p);
  const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  LineReader maps(FilePath("/proc/self/maps"));
  std::snprintf(out, size, "nothing is mapped there");
  while (const char* const line = maps.next()) {
    const Mapping m = parse(line);
    if (!m.has(at)) continue;
    describe(m, m.has(frame), out, size);
    break;
  }
  errno = saved;
}

}  // namespace fastmem
