// SPDX-License-Identifier: BSD-3-Clause
// platform/log.h -- floor 0. One sentence at a time to whoever listens. Allocates nothing; callable from any thread.
#pragma once

#include <cstdint>

#include "platform/build.h"

namespace fastmem {

enum class LogLevel : std::uint8_t { kInfo, kWarning, kError };

// Called with one finished line without a newline. May be called from several threads at once and must not call
// fastmem.
using LogCallback = void (*)(LogLevel level, const char* line, void* context);

// Replaces the listener of the whole process; nullptr restores the default: warnings and errors to stderr, and
// everything when the environment has FASTMEM_LOG=info.
FASTMEM_EXPORT void set_log(LogCallback callback, void* context);

[[gnu::format(printf, 2, 3), gnu::cold]] void log(LogLevel level, const char* format, ...);

}  // namespace fastmem
