// SPDX-License-Identifier: BSD-3-Clause
// api/devices/refuse.h -- floor 3 (api). A sentence for fastmem_error_text(), with its negative errno.
#pragma once

#include <fastmem.h>

#include <cstdarg>
#include <cstdio>

namespace fastmem::devices {

[[gnu::format(printf, 2, 3)]] inline int refuse(int error, const char* format, ...) {
  char text[300];
  std::va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  return fastmem_refuse(error, text);
}

}  // namespace fastmem::devices
