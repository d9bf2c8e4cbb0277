// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/page_commit.h -- floor 1. How does reserved address space get memory, and lose it again?
// Everything works in place on mappings that the caller owns, never leaves a hole that another thread's mmap() could
// fall into, and never raises a signal.
#pragma once

#include "platform/result.h"
#include "platform/types.h"

namespace fastmem {

// After an error of commit_*() the range holds anything, or nothing: decommit() puts it right.

// Hugetlb pages of `node`, every one proved present. Children of a fork do not see them: a private
// hugetlb page that a child writes to needs another one, or SIGBUS.
Error commit_huge(void* at, Bytes size, Bytes page_size, NodeId node);

// Small pages of `node`, touched lazily; with `transparent`, huge ones where the kernel has them.
Error commit_small(void* at, Bytes size, bool transparent, NodeId node);

// mlock(): present and staying in memory. 0, or an errno.
int lock_pages(void* at, Bytes size);

// The pages are gone and the range is without access. false: the range must not be used again.
bool decommit(void* at, Bytes size);

}  // namespace fastmem
