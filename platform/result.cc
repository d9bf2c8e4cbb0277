// SPDX-License-Identifier: BSD-3-Clause
#include "platform/result.h"

#include <cstdio>

namespace fastmem {

const char* describe(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return "ok";
    case ErrorCode::kNoMemory:
      return "out of memory";
    case ErrorCode::kInvalid:
      return "invalid argument";
    case ErrorCode::kTooBig:
      return "too big";
    case ErrorCode::kNoNode:
      return "no such node";
    case ErrorCode::kNotReady:
      return "heap not ready";
    case ErrorCode::kForeignPointer:
      return "foreign pointer";
    case ErrorCode::kDoubleFree:
      return "double free";
    case ErrorCode::kUnsupported:
      return "not supported";
    case ErrorCode::kPermission:
      return "no permission";
    case ErrorCode::kReentered:
      return "called from a callback";
    case ErrorCode::kBusy:
      return "in use";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kExists:
      return "exists already";
    case ErrorCode::kNoSpace:
      return "no space left";
  }
  return "unknown error";
}

Error make_error(ErrorCode code, const char* format, ...) {
  Error error;
  error.code = code;
  std::va_list args;
  va_start(args, format);
  std::vsnprintf(error.text, sizeof(error.text), format, args);
  va_end(args);
  return error;
}

}  // namespace fastmem
