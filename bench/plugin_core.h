// SPDX-License-Identifier: BSD-3-Clause
// bench/plugin_core.h -- Q: what does a plugin with the C++ core inside export?
//
// As far away from its caller, as position-independent and as late as libfastmem.so is in the bench: what the C
// interface costs there is what libfastmem.so costs more than this.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
// nullptr, or why there is no heap. pages: enum fastmem_pages.
[[gnu::visibility("default")]] const char* core_start(std::uint32_t pages);
[[gnu::visibility("default")]] void* core_alloc(std::size_t size);
[[gnu::visibility("default")]] void core_free(void* p);
}
