// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/page_commit.h -- floor 1. How does reserved address space get memory, and lose it again?
// Everything works in place on mappings that the caller owns, never leaves a hole that another thread's mmap() could
// fall into, and never raises a signal.
#pragma once

#include <cstdint>

#include "backends/standalone/populate.h"
#include "platform/result.h"
#include "platform/types.h"

namespace fastmem {

// After an error of commit_*() the range holds anything, or nothing: decommit() puts it right. An error that `populate`
// stopped says so in its text, and sets `stopped` where one is given.

// Private hugetlb pages of `node`, every one proved present. Children of a fork do not see them: a private
// hugetlb page that a child writes to needs another one, or SIGBUS.
Error commit_huge(void* at, Bytes size, Bytes page_size, NodeId node, const Populate& populate = {},
                  bool* stopped = nullptr);

// Small pages of `node`, touched lazily; with `transparent`, huge ones where the kernel has them.
Error commit_small(void* at, Bytes size, bool transparent, NodeId node);

struct FileBytes {
  int fd = -1;
  std::uint64_t offset = 0;
  bool transparent = false;  // of small pages: huge ones where the kernel has them for shared memory
};

// Bytes of a file of hugetlb pages, or of one of small pages in memory, shared with whoever else maps them; every page
// proved present, whether it was there before or not. Not for children of a fork, who would share them.
Error commit_file(void* at, Bytes size, Bytes page_size, const FileBytes& file, NodeId node, const Populate& populate,
                  bool* stopped);

// Pages of a range that commit_small() gave, present now. kNoMemory.
Error prefault(void* at, Bytes size, const Populate& populate, bool* stopped);

// The file's pages are there, on `node`; nothing is mapped. 0, or an errno: ENOSPC, with whatever was got.
int allocate_in_file(const FileBytes& file, Bytes size, NodeId node);
// And gone, out of every mapping. false: the kernel refuses.
bool punch_hole(const FileBytes& file, Bytes size);

// mlock(): present and staying in memory. 0, or an errno.
int lock_pages(void* at, Bytes size);

// The pages are gone and the range is without access. false: the range must not be used again.
bool decommit(void* at, Bytes size);

// The pages of private memory are gone; the range keeps its mapping, its node and its access, and reads 0 when it is
// touched, where it has small pages. An errno: nothing changed.
int discard_small(void* at, Bytes size);
int discard_huge(void* at, Bytes size, Bytes page_size, NodeId node);
// The same on kernels before 5.18: a new mapping in the old one's place, in one step.
int discard_huge_by_mapping(void* at, Bytes size, Bytes page_size, NodeId node);

// What discard_huge() left gets pages again. 0, or an errno: then it is as before.
int restore_huge(void* at, Bytes size, Bytes page_size, NodeId node, const Populate& populate);

// The file's pages of a range that commit_file() mapped get there again. 0, or an errno: then there are none.
int restore_file(void* at, Bytes size, Bytes page_size, const FileBytes& file, NodeId node, const Populate& populate);

}  // namespace fastmem
