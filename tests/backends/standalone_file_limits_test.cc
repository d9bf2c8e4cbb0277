// SPDX-License-Identifier: BSD-3-Clause
// Memory in files that is not to be had: a full mount, limits, directories that are none; each an error that helps.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "backends/standalone/hugetlbfs.h"
#include "backends/standalone/page_commit.h"
#include "tests/backends/files.h"
#include "tests/support/fake_root.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using namespace test;  // NOLINT: a test

// ---- shortage

void check_full(const HugetlbMount& mount, FileKind files) {
  const auto backing = must_make(in_files(mount, files));
  const Region held = must_reserve(*backing, kUnit);
  const Result<Region> refused = backing->reserve(kUnit * 3, node(), Contiguity::kAny);
  REQUIRE(refused.code() == ErrorCode::kNoMemory);
  CHECK_MESSAGE(says(refused.error().text, mount.directory()), std::string(refused.error().text));
  CHECK_MESSAGE(says(refused.error().text, "size="), std::string(refused.error().text));
  // All or nothing, and what is left is to be had.
  const Region rest = must_reserve(*backing, kUnit * 2);
  // A page that somebody else took meanwhile is not to be had again.
  REQUIRE(backing->discard(rest, kUnit, kUnit).ok());
  const Region taken = must_reserve(*backing, kUnit);
  const Error none = backing->restore(rest, kUnit, kUnit);
  CHECK(none.code == ErrorCode::kNoMemory);
  CHECK_MESSAGE(says(none.text, "size="), std::string(none.text));
  backing->release(taken);
  CHECK(backing->restore(rest, kUnit, kUnit).ok());
  bytes_of(rest)[kUnit.rep] = 1;
  backing->release(rest);
  backing->release(held);
}

TEST_CASE("a mount whose size is used up is an error that names it: one file for each region") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount(kUnit.rep * 3);
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_full(mount, FileKind::kHugetlbfs);
}
TEST_CASE("a mount whose size is used up is an error that names it: one file for all") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount(kUnit.rep * 3);
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_full(mount, FileKind::kHugetlbfsList);
}

// Without a look before: the pages run out in the middle, with no signal, whichever way they are asked for.
TEST_CASE("pages of a file that run out in the middle are an error, and go") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount(kUnit.rep * 3);
  if (!mount.usable()) FM_SKIP(mount.why_not());
  const std::string path = mount.directory() + std::string("/file");
  const FileBytes file{open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600), kUnit.rep};
  REQUIRE(ftruncate(file.fd, static_cast<off_t>((kUnit * 8).rep)) == 0);
  void* const at = mmap(nullptr, (kUnit * 5).rep, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* const aligned = reinterpret_cast<void*>(round_up(reinterpret_cast<std::uintptr_t>(at), kUnit.rep));
  bool stopped = false;
  CHECK(commit_file(aligned, kUnit * 4, kUnit, file, node(), {}, &stopped).code == ErrorCode::kNoMemory);
  CHECK_FALSE(stopped);
  CHECK(punch_hole(file, kUnit * 4));
  CHECK(hugetlbfs_room(file.fd) == kUnit * 3);
  CHECK(allocate_in_file(file, kUnit * 4, node()) == ENOSPC);
  CHECK(punch_hole(file, kUnit * 4));
  CHECK(allocate_in_file(file, kUnit * 3, node()) == 0);
  CHECK(hugetlbfs_room(file.fd).rep == 0);
  munmap(at, (kUnit * 5).rep);
  close(file.fd);
}

TEST_CASE("no descriptor left is an error that says so") {
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  const auto child = test::run_in_child([&]() -> std::string {
    auto backing = make(in_files(mount, FileKind::kHugetlbfs));
    if (!backing.ok()) return backing.error().text;
    const rlimit limit{3, 3};
    setrlimit(RLIMIT_NOFILE, &limit);
    const Result<Region> region = (*backing)->reserve(kUnit, node(), Contiguity::kAny);
    if (region.code() != ErrorCode::kNoMemory) return "no error";
    return says(region.error().text, "ulimit -n") ? "" : region.error().text;
  });
  CHECK(child.text == "");
  CHECK(child.signal == 0);
}

TEST_CASE("a limit on file sizes is an error, not SIGXFSZ") {
  const auto child = test::run_in_child([&]() -> std::string {
    const rlimit limit{kMiB.rep, kMiB.rep};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto backing = make(in_memfd(PageKind::kSmall));
    if (backing.code() != ErrorCode::kNoMemory) return "no error";
    return says(backing.error().text, "ulimit -f") ? "" : backing.error().text;
  });
  CHECK(child.text == "");
  CHECK(child.signal == 0);
}

// ---- where files can be

TEST_CASE("a directory that is none of a hugetlbfs, or not there, is refused with what helps") {
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  StandaloneOptions options = in_memfd(PageKind::kAuto);
  options.files = FileKind::kHugetlbfs;
  options.directory = "/tmp";
  auto backing = make(options);
  CHECK(backing.code() == ErrorCode::kInvalid);
  if (!backing.ok()) CHECK(says(backing.error().text, "sudo mount -t hugetlbfs"));
  options.directory = "/no/such/directory";
  CHECK(make(options).code() == ErrorCode::kNotFound);
}

TEST_CASE("options that do not fit together are refused") {
  StandaloneOptions options = in_memfd(PageKind::kSmall);
  options.keep_files = true;
  CHECK(make(options).code() == ErrorCode::kInvalid);
  options = in_memfd(PageKind::kSmall);
  options.file_prefix = "x";
  CHECK(make(options).code() == ErrorCode::kInvalid);
  options = in_memfd(PageKind::kSmall);
  options.files = static_cast<FileKind>(9);
  CHECK(make(options).code() == ErrorCode::kInvalid);
  options.files = FileKind::kHugetlbfsList;
  CHECK(make(options).code() == ErrorCode::kUnsupported);  // small pages
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  for (const char* const prefix : {"", "a/b", "a.b", "a-prefix-that-is-longer-than-the-longest-one-allowed"}) {
    options = in_files(mount, FileKind::kHugetlbfs);
    options.file_prefix = prefix;
    CHECK(make(options).code() == ErrorCode::kInvalid);
  }
  options = in_files(mount, FileKind::kHugetlbfs);
  options.pages = PageKind::kSmall;
  CHECK(make(options).code() == ErrorCode::kInvalid);
}

TEST_CASE("the mount for a page size is found, and else the command that makes one") {
  const test::FakeRoot root;
  root.write("/mounts", "none /dev/shm tmpfs rw 0 0\n");
  const Result<HugetlbfsMount> none = find_hugetlbfs(kMiB * 2, (root / "/mounts").c_str());
  REQUIRE(none.code() == ErrorCode::kUnsupported);
  CHECK(says(none.error().text, "sudo mount -t hugetlbfs -o pagesize=2M"));
  CHECK(says(find_hugetlbfs(kGiB, (root / "/mounts").c_str()).error().text, "pagesize=1G"));
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  const Result<HugetlbfsMount> real = find_hugetlbfs(kMiB * 2);
  REQUIRE(real.ok());
  CHECK(real.value().page_size == kMiB * 2);
  std::string escaped = mount.directory();
  escaped.replace(escaped.find("fastmem"), 1, "\\146");  // an f
  root.write("/mounts", "none /dev/shm tmpfs rw 0 0\nnone " + escaped + " hugetlbfs rw,pagesize=2M 0 0\n");
  const Result<HugetlbfsMount> found = find_hugetlbfs(kMiB * 2, (root / "/mounts").c_str());
  REQUIRE(found.ok());
  CHECK(std::string(found.value().directory) == mount.directory());
  CHECK(find_hugetlbfs(kGiB, (root / "/mounts").c_str()).code() == ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace fastmem
