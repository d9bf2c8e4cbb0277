// SPDX-License-Identifier: BSD-3-Clause
// platform/last_error.h -- floor 0. The calling thread's last error, for functions that can only return "no".
#pragma once

#include "platform/build.h"
#include "platform/result.h"

namespace fastmem {

FASTMEM_EXPORT const Error& last_error();
void set_last_error(const Error& error);

// Makes the error, remembers it and returns its code.
[[gnu::format(printf, 2, 3), gnu::cold]] ErrorCode fail(ErrorCode code, const char* format, ...);

}  // namespace fastmem
