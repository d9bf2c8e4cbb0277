// SPDX-License-Identifier: BSD-3-Clause
// tests/support/format.h: a string, put together as printf does.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <string>

namespace fastmem::test {

[[gnu::format(printf, 1, 2)]] inline std::string format(const char* how, ...) {
  char buffer[1024];
  va_list args;
  va_start(args, how);
  std::vsnprintf(buffer, sizeof(buffer), how, args);
  va_end(args);
  return buffer;
}

}  // namespace fastmem::test
