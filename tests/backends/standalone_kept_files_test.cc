// SPDX-License-Identifier: BSD-3-Clause
// Files that outlive their process: who reuses them, how, and whose are left alone.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "backends/standalone/hugetlbfs.h"
#include "backends/standalone/page_commit.h"
#include "tests/backends/files.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using namespace test;  // NOLINT: a test

// ---- what is kept, and reused

void check_reuse(const HugetlbMount& mount, FileKind files) {
  const StandaloneOptions options = in_files(mount, files, true);
  take_and_die(options, kUnit * 2, 0x77);
  const std::size_t names = mount.names().size();
  CHECK(names >= 2);  // the lock, and a file, or a list for each node
  const int directory = open(mount.directory(), O_RDONLY | O_DIRECTORY);
  CHECK(hugetlbfs_room(directory) == kUnit * 2);
  {
    const auto backing = must_make(options);
    const Region region = must_reserve(*backing, kUnit * 2);
    CHECK_FALSE(region.zeroed);
    CHECK(bytes_of(region)[4096] == 0x77);
    CHECK(bytes_of(region)[region.size.rep - 4096] == 0x77);
    CHECK(mount.names().size() == names);
    CHECK(hugetlbfs_room(directory) == kUnit * 2);  // they are the same pages
    REQUIRE(backing->discard(region, kUnit, kUnit).ok());
    REQUIRE(backing->restore(region, kUnit, kUnit).ok());
    CHECK(bytes_of(region)[kUnit.rep] == 0);
    CHECK(bytes_of(region)[0] == 0x77);
    backing->release(region);
    CHECK(hugetlbfs_room(directory) == kUnit * 4);
    const Region fresh = must_reserve(*backing, kUnit * 2);
    if (fresh.zeroed) CHECK(std::count(bytes_of(fresh), bytes_of(fresh) + fresh.size.rep, 0) == long(fresh.size.rep));
    backing->release(fresh);
  }
  // A larger and a smaller region than what was left.
  for (const Bytes size : {kUnit * 3, kUnit}) {
    take_and_die(options, kUnit * 2, 0x78);
    const auto backing = must_make(options);
    const Region region = must_reserve(*backing, size);
    CHECK_FALSE(region.zeroed);
    CHECK(bytes_of(region)[0] == 0x78);
    backing->release(region);
  }
  take_and_die(options, kUnit * 2, 0x79);
  must_make(in_files(mount, FileKind::kHugetlbfs, false));
  CHECK(mount.names().empty());
  CHECK(hugetlbfs_room(directory) == kUnit * 4);
  close(directory);
}

TEST_CASE("kept files are reused, dirty, and removed by whoever does not keep them: one for each region") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount(kUnit.rep * 4);
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_reuse(mount, FileKind::kHugetlbfs);
}
TEST_CASE("kept files are reused, dirty, and removed by whoever does not keep them: one for all") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount(kUnit.rep * 4);
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_reuse(mount, FileKind::kHugetlbfsList);
}

TEST_CASE("the files of those that live are left alone") {
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  for (const FileKind files : {FileKind::kHugetlbfs, FileKind::kHugetlbfsList}) {
    const auto living = must_make(in_files(mount, files, true));
    const Region region = must_reserve(*living, kUnit);
    bytes_of(region)[0] = 5;
    const auto names = mount.names();
    const auto refused = make(in_files(mount, files, true));
    REQUIRE(refused.code() == ErrorCode::kBusy);
    CHECK(says(refused.error().text, "file_prefix"));
    must_make(in_files(mount, files, false));
    StandaloneOptions other = in_files(mount, files, true);
    other.file_prefix = "other";
    must_make(other);
    CHECK(mount.names().size() >= names.size());
    for (const std::string& name : names) CHECK(access((mount.directory() + ("/" + name)).c_str(), F_OK) == 0);
    CHECK(bytes_of(region)[0] == 5);
    living->release(region);
  }
}

TEST_CASE("a prefix that begins with another one is another one") {
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  StandaloneOptions options = in_files(mount, FileKind::kHugetlbfs, true);
  options.file_prefix = "fastmem2";
  take_and_die(options, kUnit, 1);
  const std::size_t names = mount.names().size();
  must_make(in_files(mount, FileKind::kHugetlbfs, false));
  CHECK(mount.names().size() == names);
}

TEST_CASE("files of another user, or open to others, become nobody's heap") {
  if (!has_free_2m(2)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  const std::string file = mount.directory() + std::string("/fastmem.n0-0");
  const std::string list = mount.directory() + std::string("/fastmem.n") + std::to_string(node().rep);
  for (const bool others : {false, true}) {
    for (const std::string& path : {file, list}) {
      const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      REQUIRE(fd >= 0);
      if (others) CHECK(fchown(fd, 65534, 65534) == 0);
      if (!others) CHECK(fchmod(fd, 0666) == 0);
      CHECK(allocate_in_file({fd, 0}, kUnit, node()) == 0);
      close(fd);
    }
    {
      const auto backing = must_make(in_files(mount, FileKind::kHugetlbfs, true));
      const Region region = must_reserve(*backing, kUnit);
      CHECK(region.zeroed);
      struct stat mine = {};
      struct stat theirs = {};
      CHECK((fstat(region.fd, &mine) == 0 && stat(file.c_str(), &theirs) == 0));
      CHECK(mine.st_ino != theirs.st_ino);
      backing->release(region);
    }
    CHECK(make(in_files(mount, FileKind::kHugetlbfsList, true)).code() == ErrorCode::kPermission);
    must_make(in_files(mount, FileKind::kHugetlbfsList, false));
    CHECK(access(file.c_str(), F_OK) == 0);  // not ours to remove
    unlink(file.c_str());
    unlink(list.c_str());
  }
}

}  // namespace
}  // namespace fastmem
