// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/hugetlbfs.h -- floor 1. Where is a file system of hugetlb pages mounted, of which page size, and how
// much room does its size= leave?
#pragma once

#include "platform/result.h"
#include "platform/types.h"

namespace fastmem {

struct HugetlbfsMount {
  char directory[256] = {};
  Bytes page_size;
};

// The mount whose files have pages of this size, the first that may be written to. kUnsupported: there is none; the text
// has the command that makes one. `mounts` is for tests.
Result<HugetlbfsMount> find_hugetlbfs(Bytes page_size, const char* mounts = "/proc/self/mounts");

// kInvalid: the directory is in no hugetlbfs; kNotFound, kPermission: it cannot be used.
Result<HugetlbfsMount> look_at_hugetlbfs(const char* directory);

// Of the mount that an open directory is in: what its size= option leaves; kUnlimited without one.
Bytes hugetlbfs_room(int directory);

// kNoMemory: `asked` bytes of files, of which the mount has room for `room`.
Error explain_hugetlbfs_full(const HugetlbfsMount& mount, Bytes asked, Bytes room);

}  // namespace fastmem
