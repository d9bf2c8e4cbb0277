// SPDX-License-Identifier: BSD-3-Clause
// platform/leak_roots.h -- floor 0. Tells LeakSanitizer, where a program has it, that memory it did not allocate holds
// pointers that count. Without it every object reachable only through a heap's objects would be called a leak.
#pragma once

#include "platform/types.h"

namespace fastmem {

void add_leak_root(const void* base, Bytes size);
void remove_leak_root(const void* base, Bytes size);

}  // namespace fastmem
