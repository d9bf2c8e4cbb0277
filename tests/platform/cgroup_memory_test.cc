// SPDX-License-Identifier: BSD-3-Clause
#include "platform/cgroup_memory.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/fake_root.h"

namespace fastmem {
namespace {

using test::FakeRoot;

TEST_CASE("no cgroup, no limit") {
  const FakeRoot root;
  CHECK_FALSE(tightest_memory_limit(root.path()).found);
  CHECK(tightest_memory_limit(root.path()).headroom() == kUnlimited);
}

TEST_CASE("version 2: the ancestor with the least headroom binds") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "0::/a/b\n");
  root.write("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  root.write("/sys/fs/cgroup/a/memory.max", "1073741824\n");
  root.write("/sys/fs/cgroup/a/memory.current", "1048576\n");
  root.write("/sys/fs/cgroup/memory.max", "4294967296\n");
  const MemoryLimit limit = tightest_memory_limit(root.path());
  REQUIRE(limit.found);
  CHECK(limit.limit == kGiB);
  CHECK(limit.headroom() == kGiB - kMiB);
  CHECK(std::string(limit.file) == root / "/sys/fs/cgroup/a/memory.max");
}

TEST_CASE("version 1: only the memory controller's hierarchy counts, and the largest number is no limit") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "4:memory:/box\n2:cpu:/cpu\n");
  root.write("/proc/self/mountinfo",
             "33 25 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
             "34 25 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
  root.write("/sys/fs/cgroup/cpu/cpu/memory.limit_in_bytes", "4096\n");
  root.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK_FALSE(tightest_memory_limit(root.path()).found);
  root.write("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "8388608\n");
  root.write("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "9437184\n");
  const MemoryLimit limit = tightest_memory_limit(root.path());
  REQUIRE(limit.found);
  CHECK(limit.headroom().rep == 0);  // more used than allowed
}

}  // namespace
}  // namespace fastmem
