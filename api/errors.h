// SPDX-License-Identifier: BSD-3-Clause
// api/errors.h -- floor 3 (api). What C programs are told: an errno for each ErrorCode.
#pragma once

#include <cerrno>

#include "platform/result.h"

namespace fastmem {

inline int to_errno(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return 0;
    case ErrorCode::kNoMemory:
      return ENOMEM;
    case ErrorCode::kTooBig:
      return E2BIG;
    case ErrorCode::kNoNode:
    case ErrorCode::kNotReady:
      return ENODEV;
    case ErrorCode::kUnsupported:
      return ENOTSUP;
    case ErrorCode::kPermission:
      return EPERM;
    case ErrorCode::kReentered:
      return EDEADLK;
    case ErrorCode::kBusy:
      return EBUSY;
    case ErrorCode::kNotFound:
      return ENOENT;
    case ErrorCode::kExists:
      return EEXIST;
    case ErrorCode::kNoSpace:
      return ENOSPC;
    case ErrorCode::kInvalid:
    case ErrorCode::kForeignPointer:
    case ErrorCode::kDoubleFree:
      break;
  }
  return EINVAL;
}

}  // namespace fastmem
