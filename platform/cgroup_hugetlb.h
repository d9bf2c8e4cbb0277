// SPDX-License-Identifier: BSD-3-Clause
// platform/cgroup_hugetlb.h -- floor 0. Which cgroup limit on hugetlb pages binds this process? Versions 1 and 2, page
// and reservation limits, every ancestor that this process can see.
#pragma once

#include <algorithm>

#include "platform/types.h"

namespace fastmem {

struct HugeLimit {
  bool found = false;  // false: nothing limits
  Bytes limit;
  Bytes used;           // by every process below that cgroup
  char file[256] = {};  // holds the limit

  Bytes headroom() const { return found ? limit - std::min(limit, used) : kUnlimited; }
};

// The limit with the least headroom for pages of this size. `root` is put before every path, for tests.
HugeLimit tightest_huge_limit(Bytes page_size, const char* root = "");

}  // namespace fastmem
