// SPDX-License-Identifier: BSD-3-Clause
#include "platform/pages.h"

#include <doctest/doctest.h>

#include <string>

#include "platform/page_advice.h"
#include "tests/support/fake_root.h"

namespace fastmem {
namespace {

using test::FakeRoot;
using test::kPool1G;
using test::kPool2M;
using test::node_pool_2m;

constexpr Bytes k2M = kMiB * 2;

bool says(const Error& error, const std::string& part) {
  return std::string(error.text).find(part) != std::string::npos;
}

TEST_CASE("this machine's pages") {
  const PageInventory inventory = read_pages();
  CHECK(inventory.memory > kMiB * 64);
  CHECK(inventory.address_used.rep > 0);
  CHECK(inventory.huge_2m.usable() <= inventory.huge_2m.all.total + inventory.huge_2m.overcommit);
}

TEST_CASE("a machine that tells nothing has small pages only") {
  const FakeRoot root;
  const PageInventory inventory = read_pages(root.path());
  CHECK_FALSE(inventory.huge_1g.supported);
  CHECK_FALSE(inventory.huge_2m.supported);
  CHECK(inventory.huge_2m.usable() == 0);
  CHECK(inventory.transparent == TransparentHuge::kAbsent);
  CHECK(inventory.locked_limit == kUnlimited);
}

TEST_CASE("pools per size and node") {
  const FakeRoot root;
  root.write_pool(kPool2M, 48, 30, 4);
  root.write_pool(node_pool_2m(0), 16, 6);
  root.write_pool(node_pool_2m(3), 32, 24);
  const HugePages pages = read_huge_pages(k2M, root.path());
  CHECK(pages.supported);
  CHECK(pages.all.total == 48);
  CHECK(pages.nodes == 2);
  REQUIRE(pages.find(NodeId{3}) != nullptr);
  CHECK(pages.find(NodeId{3})->pool.free == 24);
  CHECK(pages.find(NodeId{1}) == nullptr);
  CHECK(pages.usable() == 26);
  CHECK(pages.usable(NodeId{0}) == 6);
  CHECK_FALSE(read_huge_pages(kGiB, root.path()).supported);
}

TEST_CASE("a pool that may grow on demand has pages though none is free") {
  const FakeRoot root;
  root.write_pool(kPool2M, 0, 0, 0, 10);
  const HugePages pages = read_huge_pages(k2M, root.path());
  CHECK(pages.usable() == 10);
  CHECK(check_huge_pages_exist(pages).ok());
}

TEST_CASE("transparent huge pages, overcommit, limits and rights") {
  const FakeRoot root;
  root.write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  root.write("/proc/sys/vm/overcommit_memory", "2\n");
  root.write("/proc/meminfo", "MemTotal:       1048576 kB\nMemFree: 1 kB\n");
  root.write("/proc/self/limits",
             "Limit                     Soft Limit           Hard Limit           Units     \n"
             "Max locked memory         65536                65536                bytes     \n"
             "Max address space         2147483648           unlimited            bytes     \n");
  root.write("/proc/self/status", "Name:\tx\nVmSize:\t  2048 kB\nCapEff:\t0000000000000000\nTHP_enabled:\t1\n");
  PageInventory inventory = read_pages(root.path());
  CHECK(inventory.transparent == TransparentHuge::kMadvise);
  CHECK(inventory.overcommit == Overcommit::kStrict);
  CHECK(inventory.memory == kGiB);
  CHECK(inventory.locked_limit == kKiB * 64);
  CHECK(inventory.address_limit == kGiB * 2);
  CHECK(inventory.address_used == kMiB * 2);

  root.write("/proc/self/status", "CapEff:\t0000000000004000\nTHP_enabled:\t0\n");  // CAP_IPC_LOCK; PR_SET_THP_DISABLE
  inventory = read_pages(root.path());
  CHECK(inventory.locked_limit == kUnlimited);
  CHECK(inventory.transparent == TransparentHuge::kNever);
}

TEST_CASE("advice: an empty pool names the command that fills it") {
  const FakeRoot root;
  root.write_pool(kPool2M, 0, 0);
  root.write_pool(kPool1G, 0, 0);
  const Error error = check_huge_pages_exist(read_huge_pages(k2M, root.path()));
  CHECK(error.code == ErrorCode::kUnsupported);
  CHECK(says(error, "echo 64 | sudo tee /proc/sys/vm/nr_hugepages"));
  CHECK(says(check_huge_pages_exist(read_huge_pages(kGiB, root.path())), "hugepagesz=1G"));
}

TEST_CASE("advice: no such page size") {
  const FakeRoot root;
  const Error error = check_huge_pages_exist(read_huge_pages(kGiB, root.path()));
  CHECK(error.code == ErrorCode::kUnsupported);
  CHECK(says(error, "1 GiB"));
}

TEST_CASE("advice: too few pages in all says how many more") {
  const FakeRoot root;
  root.write_pool(kPool2M, 10, 4, 1);
  const Error error = explain_no_huge_pages(read_huge_pages(k2M, root.path()), kMiB * 16, kAnyNode);
  CHECK(error.code == ErrorCode::kNoMemory);
  CHECK(says(error, "8 hugetlb pages of 2 MiB asked"));
  CHECK(says(error, "4 of 10 free, 1 reserved"));
  CHECK(says(error, "echo 15 | sudo tee /proc/sys/vm/nr_hugepages"));
}

TEST_CASE("advice: too few pages on one node names that node's file and what others have") {
  const FakeRoot root;
  root.write_pool(kPool2M, 40, 33);
  root.write_pool(node_pool_2m(0), 32, 32);
  root.write_pool(node_pool_2m(1), 8, 1);
  const Error error = explain_no_huge_pages(read_huge_pages(k2M, root.path()), kMiB * 8, NodeId{1});
  CHECK(says(error, "on node 1; 1 of 8 free, node 0: 32 of 32"));
  CHECK(says(error, "echo 11 | sudo tee /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"));
}

TEST_CASE("advice: a cgroup limit names the file and a value that suffices") {
  const FakeRoot root;
  root.write_pool(kPool2M, 64, 64);
  root.write("/proc/self/cgroup", "0::/pod\n");
  root.write("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.write("/sys/fs/cgroup/pod/hugetlb.2MB.max", "8388608\n");
  root.write("/sys/fs/cgroup/pod/hugetlb.2MB.current", "4194304\n");
  const HugePages pages = read_huge_pages(k2M, root.path());
  CHECK(pages.usable() == 2);
  const Error error = explain_no_huge_pages(pages, kMiB * 16, kAnyNode);
  CHECK(says(error, "limits them to 8 MiB, 4 MiB in use"));
  CHECK(says(error, "echo 20971520 | sudo tee "));
  CHECK(says(error, "/sys/fs/cgroup/pod/hugetlb.2MB.max"));
}

TEST_CASE("sizes for people") {
  CHECK(std::string(size_text(kGiB * 3).text) == "3 GiB");
  CHECK(std::string(size_text(kMiB * 1536).text) == "1536 MiB");
  CHECK(std::string(size_text(kKiB * 4).text) == "4 KiB");
  CHECK(std::string(size_text(Bytes{17}).text) == "17 bytes");
  CHECK(std::string(size_text(kUnlimited).text) == "unlimited");
}

}  // namespace
}  // namespace fastmem
