// SPDX-License-Identifier: BSD-3-Clause
// tools/recorder/trace_file.h -- Q: how do this process's events get into its file, whatever ends the process?
// What:      the file is mapped shared and grows by whole chunks; each thread writes to a chunk of its own. Nothing is
//            flushed at the end: what is written is in the file, after _exit, exec, a signal and kill -9 too.
// Invariant: no file descriptor is held (a program may close them all); the file is opened by its path to grow.
// fork:      all changing state lives in a page that the kernel wipes in the child (MADV_WIPEONFORK), and the file is
//            not mapped there (MADV_DONTFORK): a child finds the state fresh and starts a file of its own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastmem::recorder {

// The events. Each may be called at any time, by any thread; they keep errno.
void record_alloc(std::size_t size, const void* ptr);
void record_calloc(std::size_t size, const void* ptr);
void record_aligned(std::size_t alignment, std::size_t size, const void* ptr);
void record_free(const void* ptr);
void record_realloc_begin(const void* ptr);
void record_realloc_end(std::size_t size, const void* ptr);

}  // namespace fastmem::recorder
