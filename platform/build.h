// SPDX-License-Identifier: BSD-3-Clause
// platform/build.h -- floor 0. The only reader of build flags.
#pragma once

#ifndef FASTMEM_CHECKED
#define FASTMEM_CHECKED 0
#endif

namespace fastmem {
inline constexpr bool kCheckedBuild = FASTMEM_CHECKED;  // debug and sanitizer builds: lock ranks and hot-path checks
}  // namespace fastmem

#define FASTMEM_EXPORT [[gnu::visibility("default")]]
