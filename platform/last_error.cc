// SPDX-License-Identifier: BSD-3-Clause
#include "platform/last_error.h"

#include <cstdarg>
#include <cstdio>

namespace fastmem {
namespace {

thread_local Error t_last_error;

}  // namespace

const Error& last_error() { return t_last_error; }
void set_last_error(const Error& error) { t_last_error = error; }

ErrorCode fail(ErrorCode code, const char* format, ...) {
  t_last_error.code = code;
  std::va_list args;
  va_start(args, format);
  std::vsnprintf(t_last_error.text, sizeof(t_last_error.text), format, args);
  va_end(args);
  return code;
}

}  // namespace fastmem
