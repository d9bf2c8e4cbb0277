// SPDX-License-Identifier: BSD-3-Clause
// api/default_heap.h -- floor 3 (api). The process's default heap, and how a Config becomes a heap.
#pragma once

#include <atomic>
#include <memory>

#include "api/fastmem.hpp"

namespace fastmem {

Result<core::Heap*> make_heap(const Config& config);
Result<std::unique_ptr<Backing>> make_backing(const Config& config, const Topology& topology);

// Of memory that its user brings, found by name.
Result<core::Heap*> make_named_heap(const char* name);

// Heap::absent before the first allocation. release: publishes the heap; read without order on the hot path, because
// the pointer itself is all that is needed to reach what it points to.
[[gnu::visibility("hidden")]] extern std::atomic<core::Heap*> g_default_heap;

// nullptr: there is none yet.
core::Heap* existing_default_heap();

// Makes it when it does not exist. nullptr: it cannot be; last_error() says why.
core::Heap* default_heap_slow();

// kInvalid with `existed` set: there is one already.
Error init_default_heap(const Config& config, bool& existed);

}  // namespace fastmem
