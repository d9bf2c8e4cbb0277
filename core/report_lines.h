// SPDX-License-Identifier: BSD-3-Clause
// core/report_lines.h -- floor 2 (core). What follows the first line of a report, and who else is told.
// Threads:   any, in a signal handler too. Nothing is allocated, and no lock is taken.
#pragma once

#include <span>

#include "core/misuse.h"

namespace fastmem::core::report {

// Who had the object and when, both stacks, the bytes at the damage, and one line for machines.
void tell_history(const MisuseReport& r);

// "  allocated at:" and a line for each frame; nothing without one.
void tell_trace(const char* what, std::span<void* const> trace);

void call_back(const MisuseReport& r);

// "misuse: kind=... address=..." without a newline, cut to the buffer.
void machine_line(const MisuseReport& r, char* out, std::size_t size);

}  // namespace fastmem::core::report
