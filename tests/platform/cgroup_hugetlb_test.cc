// SPDX-License-Identifier: BSD-3-Clause
#include "platform/cgroup_hugetlb.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/fake_root.h"

namespace fastmem {
namespace {

using test::FakeRoot;

constexpr Bytes k2M = kMiB * 2;
const char* const kMount2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

void write_v2(const FakeRoot& root, const std::string& group, const std::string& max, const std::string& current) {
  root.write("/sys/fs/cgroup" + group + "/hugetlb.2MB.max", max + "\n");
  root.write("/sys/fs/cgroup" + group + "/hugetlb.2MB.current", current + "\n");
}

TEST_CASE("no cgroup, no limit") {
  const FakeRoot root;
  const HugeLimit limit = tightest_huge_limit(k2M, root.path());
  CHECK_FALSE(limit.found);
  CHECK(limit.headroom() == kUnlimited);
}

TEST_CASE("version 2: the tightest ancestor binds") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "0::/a/b\n");
  root.write("/proc/self/mountinfo", kMount2);
  write_v2(root, "/a/b", "max", "0");
  write_v2(root, "/a", "20971520", "16777216");
  HugeLimit limit = tightest_huge_limit(k2M, root.path());
  REQUIRE(limit.found);
  CHECK(limit.headroom() == kMiB * 4);
  CHECK(std::string(limit.file) == root / "/sys/fs/cgroup/a/hugetlb.2MB.max");

  write_v2(root, "/a/b", "2097152", "2097152");
  limit = tightest_huge_limit(k2M, root.path());
  CHECK(limit.headroom().rep == 0);
  CHECK_FALSE(tightest_huge_limit(kGiB, root.path()).found);
}

TEST_CASE("version 2: a limit on reservations counts, too") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "0::/\n");
  root.write("/proc/self/mountinfo", kMount2);
  write_v2(root, "", "8388608", "0");
  root.write("/sys/fs/cgroup/hugetlb.2MB.rsvd.max", "4194304\n");
  root.write("/sys/fs/cgroup/hugetlb.2MB.rsvd.current", "2097152\n");
  const HugeLimit limit = tightest_huge_limit(k2M, root.path());
  CHECK(limit.headroom() == kMiB * 2);
  CHECK(std::string(limit.file).ends_with("rsvd.max"));
}

TEST_CASE("version 2: more used than allowed leaves nothing") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "0::/\n");
  root.write("/proc/self/mountinfo", kMount2);
  write_v2(root, "", "2097152", "8388608");
  CHECK(tightest_huge_limit(k2M, root.path()).headroom().rep == 0);
}

TEST_CASE("version 1: the controller's own hierarchy, whose largest number means no limit") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "9:name=systemd:/x\n8:hugetlb,misc:/docker/abc\n0::/other\n");
  root.write("/proc/self/mountinfo",
             "30 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
             "31 23 0:28 /docker/abc /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n");
  root.write("/sys/fs/cgroup/hugetlb/hugetlb.2MB.limit_in_bytes", "9223372036852678656\n");
  root.write("/sys/fs/cgroup/hugetlb/hugetlb.2MB.usage_in_bytes", "0\n");
  CHECK_FALSE(tightest_huge_limit(k2M, root.path()).found);
  root.write("/sys/fs/cgroup/hugetlb/hugetlb.2MB.limit_in_bytes", "6291456\n");
  CHECK(tightest_huge_limit(k2M, root.path()).headroom() == kMiB * 6);
}

TEST_CASE("a container sees its own cgroup as the mount") {
  const FakeRoot root;
  root.write("/proc/self/cgroup", "0::/../other\n");
  root.write("/proc/self/mountinfo", kMount2);
  write_v2(root, "", "4194304", "0");
  CHECK(tightest_huge_limit(k2M, root.path()).headroom() == kMiB * 4);
}

}  // namespace
}  // namespace fastmem
