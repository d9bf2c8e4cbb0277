// SPDX-License-Identifier: BSD-3-Clause
#include "platform/frame_text.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "platform/frame_rule.h"

namespace fastmem {
namespace {

// The loader has no name for the program itself.
class ProgramName {
 public:
  ProgramName() {
    const ssize_t n = readlink("/proc/self/exe", text_, sizeof(text_) - 1);
    text_[std::max<ssize_t>(n, 0)] = '\0';
  }
  const char* c_str() const { return text_[0] == '\0' ? "?" : text_; }

 private:
  char text_[1024];
};

int print(char* out, std::size_t capacity, unsigned number, std::uintptr_t address) {
  const LoadedModule module = module_of(address);
  if (module.end == 0) return std::snprintf(out, capacity, "#%u 0x%" PRIxPTR " in ?", number, address);
  const char* const name = module.name == nullptr || module.name[0] == '\0' ? nullptr : module.name;
  return std::snprintf(out, capacity, "#%u 0x%" PRIxPTR " in %s+0x%" PRIxPTR, number, address,
                       name == nullptr ? ProgramName().c_str() : name, address - module.bias);
}

}  // namespace

std::size_t print_frame(char* out, std::size_t capacity, unsigned number, const void* return_address) {
  if (capacity == 0) return 0;
  const int length = print(out, capacity, number, reinterpret_cast<std::uintptr_t>(return_address) - 1);
  if (length < 0) return out[0] = '\0', 0;
  return std::min(static_cast<std::size_t>(length), capacity - 1);
}

}  // namespace fastmem
