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

// Of what a C callback answers: 0, or an errno of either sign.
inline ErrorCode from_errno(int error) {
  switch (error < 0 ? -error : error) {
    case 0:
      return ErrorCode::kOk;
    case ENOMEM:
      return ErrorCode::kNoMemory;
    case E2BIG:
      return ErrorCode::kTooBig;
    case ENODEV:
      return ErrorCode::kNotReady;
    case ENOTSUP:
      return ErrorCode::kUnsupported;
    case EPERM:
    case EACCES:
      return ErrorCode::kPermission;
    case EDEADLK:
      return ErrorCode::kReentered;
    case EBUSY:
      return ErrorCode::kBusy;
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kExists;
    case ENOSPC:
      return ErrorCode::kNoSpace;
    default:
      return ErrorCode::kInvalid;
  }
}

}  // namespace fastmem
