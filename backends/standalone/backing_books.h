// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/backing_books.h -- floor 1. The lock over the books of every standalone backing.
#pragma once

#include "platform/mutex.h"

namespace fastmem {

// Held for a look at a bitmap or a table, never across a system call. One for all backings, so that fork() needs to stop
// only one.
extern Mutex backing_books;

// Before it is first used: a child of fork() must not inherit it taken.
void guard_backing_books();

}  // namespace fastmem
