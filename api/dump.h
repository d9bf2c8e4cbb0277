// SPDX-License-Identifier: BSD-3-Clause
// api/dump.h -- floor 3 (api). All that a heap tells of itself, written out: for people, and as JSON.
#pragma once

#include <cstdio>

#include "core/heap.h"

namespace fastmem {

// 0, or the negative errno of writing.
int dump_text(const core::Heap& heap, std::FILE* file);
int dump_json(const core::Heap& heap, std::FILE* file);

}  // namespace fastmem
