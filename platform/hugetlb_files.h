// SPDX-License-Identifier: BSD-3-Clause
// platform/hugetlb_files.h -- floor 0. Where is hugetlbfs mounted, may this process make files there, and which of its
// files are left of processes that have ended? Such a file keeps its pages until it is deleted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/types.h"

namespace fastmem {

struct HugetlbMount {
  std::string point;
  Bytes page_size;           // 0: the mount does not tell
  Bytes limit = kUnlimited;  // the option size=
  bool read_only = false;
  bool writable = false;  // this process may make files there
};

// `root` is put before every path, for tests; `point` is without it.
std::vector<HugetlbMount> read_hugetlb_mounts(const char* root = "");

enum class FileUse : std::uint8_t {
  kUsed,     // a process maps it, has it open, or holds its lock
  kUnused,   // nobody does
  kUnknown,  // there are processes that this one may not look into, and nobody else does
};

struct HugetlbFile {
  std::string path;
  Bytes held;  // what its pages take
  FileUse use = FileUse::kUnknown;
};

// The files in the mounts, not looking into directories of directories; at most `most`.
std::vector<HugetlbFile> find_hugetlb_files(const std::vector<HugetlbMount>& mounts, std::size_t most,
                                            const char* root = "");

}  // namespace fastmem
