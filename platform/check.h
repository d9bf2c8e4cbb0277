// SPDX-License-Identifier: BSD-3-Clause
// platform/check.h -- floor 0. "Our bug": a check that stops. FM_DCHECK on hot paths, FM_CHECK everywhere else.
#pragma once

#include "platform/build.h"

namespace fastmem {
// Writes "fastmem: check failed: EXPR (FILE:LINE)" to stderr and aborts. Allocates nothing, takes no lock.
[[noreturn, gnu::cold]] void check_failed(const char* expression, const char* file, int line);
}  // namespace fastmem

#define FM_CHECK(expression) \
  (static_cast<bool>(expression) ? void(0) : ::fastmem::check_failed(#expression, __FILE__, __LINE__))
#define FM_DCHECK(expression) (!::fastmem::kCheckedBuild ? void(0) : FM_CHECK(expression))
