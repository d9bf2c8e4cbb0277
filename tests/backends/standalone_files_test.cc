// SPDX-License-Identifier: BSD-3-Clause
// Memory in files: who else can map it, what is left behind, what a full mount says, and what is reused how.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "backends/standalone/hugetlbfs.h"
#include "backends/standalone/page_commit.h"
#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"
#include "tests/support/child_process.h"
#include "tests/support/fake_root.h"
#include "tests/support/hugetlb_mount.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::HugetlbMount;

constexpr Bytes kUnit = kRegionUnit;
constexpr Bytes kSpace = kMiB * 256;

NodeId node() { return machine_topology().nodes().front().id; }
bool has_free_2m(std::size_t pages) { return read_huge_pages(kMiB * 2).usable() >= pages; }
bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
char* bytes_of(const Region& region) { return static_cast<char*>(region.base); }

StandaloneOptions in_memfd(PageKind pages) {
  StandaloneOptions options;
  options.pages = pages;
  options.iova = IovaMode::kNone;
  options.address_space = kSpace;
  options.files = FileKind::kMemfd;
  return options;
}

StandaloneOptions in_files(const HugetlbMount& mount, FileKind files, bool keep = false) {
  StandaloneOptions options = in_memfd(PageKind::kAuto);
  options.files = files;
  options.directory = mount.directory();
  options.keep_files = keep;
  return options;
}

Result<std::unique_ptr<Backing>> make(const StandaloneOptions& options) {
  return make_standalone_backing(options, machine_topology());
}

std::unique_ptr<Backing> must_make(const StandaloneOptions& options) {
  auto backing = make(options);
  REQUIRE_MESSAGE(backing.ok(), std::string(backing.ok() ? "" : backing.error().text));
  return std::move(*backing);
}

Region must_reserve(Backing& backing, Bytes size) {
  const Result<Region> region = backing.reserve(size, node(), Contiguity::kAny);
  REQUIRE_MESSAGE(region.ok(), std::string(region.ok() ? "" : region.error().text));
  return region.value();
}

std::size_t blocks_of(const Region& region) {
  struct stat status = {};
  REQUIRE(fstat(region.fd, &status) == 0);
  return static_cast<std::size_t>(status.st_blocks) * 512;
}

// ---- others can map it

void check_others_can_map(const StandaloneOptions& options) {
  const auto backing = must_make(options);
  const Region first = must_reserve(*backing, kUnit);
  const Region second = must_reserve(*backing, kUnit * 2);
  for (const Region& region : {first, second}) {
    REQUIRE(region.fd >= 0);
    CHECK_FALSE(region.inherited_by_fork);
    auto* const other = static_cast<char*>(mmap(nullptr, region.size.rep, PROT_READ | PROT_WRITE, MAP_SHARED, region.fd,
                                                static_cast<off_t>(region.fd_offset)));
    REQUIRE(static_cast<void*>(other) != MAP_FAILED);
    bytes_of(region)[7] = 42;
    CHECK(other[7] == 42);
    other[region.size.rep - 1] = 43;
    CHECK(bytes_of(region)[region.size.rep - 1] == 43);
    munmap(other, region.size.rep);
  }
  backing->release(first);
  backing->release(second);
}

TEST_CASE("memory in a memfd can be mapped by others: 4 KiB pages") {
  check_others_can_map(in_memfd(PageKind::kSmall));
}
TEST_CASE("memory in a memfd can be mapped by others: 2 MiB pages") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  check_others_can_map(in_memfd(PageKind::kHuge2M));
}
TEST_CASE("memory in a hugetlbfs can be mapped by others") {
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  for (const bool keep : {false, true}) {
    for (const FileKind files : {FileKind::kHugetlbfs, FileKind::kHugetlbfsList}) {
      check_others_can_map(in_files(mount, files, keep));
    }
  }
}

TEST_CASE("anonymous memory has no file") {
  StandaloneOptions options = in_memfd(PageKind::kSmall);
  options.files = FileKind::kNone;
  const auto backing = must_make(options);
  const Region region = must_reserve(*backing, kUnit);
  CHECK(region.fd == -1);
  backing->release(region);
}

TEST_CASE("a file's small pages are there from the start, and gone when released") {
  const auto backing = must_make(in_memfd(PageKind::kSmall));
  const Region stays = must_reserve(*backing, kUnit);
  CHECK(blocks_of(stays) == kUnit.rep);
  const Region goes = must_reserve(*backing, kUnit * 2);
  CHECK(goes.fd == stays.fd);
  CHECK(blocks_of(stays) == (kUnit * 3).rep);
  backing->release(goes);
  CHECK(blocks_of(stays) == kUnit.rep);
  backing->release(stays);
}

TEST_CASE("the child of a fork has no memory in files, and gets none") {
  const auto backing = must_make(in_memfd(PageKind::kSmall));
  CHECK_FALSE(backing->inherited_by_fork());
  const Region region = must_reserve(*backing, kUnit);
  const auto touched = test::run_in_child([&]() -> std::string {
    bytes_of(region)[0] = 1;
    return "";
  });
  CHECK(touched.signal == SIGSEGV);
  const auto asked = test::run_in_child([&]() -> std::string {
    const Result<Region> more = backing->reserve(kUnit, node(), Contiguity::kAny);
    if (more.code() != ErrorCode::kNotReady) return "memory in a child";
    backing->release(region);
    return backing->discard(region, Bytes{}, kUnit).ok() ? "a child gave its parent's pages back" : "";
  });
  CHECK(asked.text == "");
  CHECK(bytes_of(region)[0] == 0);
  CHECK(blocks_of(region) == kUnit.rep);
  backing->release(region);
}

// ---- nothing is left behind

void take_and_die(const StandaloneOptions& options, Bytes size, char mark) {
  const auto child = test::run_in_child([&]() -> std::string {
    auto backing = make(options);
    if (!backing.ok()) return backing.error().text;
    const Result<Region> region = (*backing)->reserve(size, node(), Contiguity::kAny);
    if (!region.ok()) return region.error().text;
    for (std::size_t at = 0; at < size.rep; at += 4096) bytes_of(region.value())[at] = mark;
    raise(SIGKILL);
    return "alive";
  });
  CHECK(child.text == "");
  CHECK(child.signal == SIGKILL);
}

std::size_t shared_kib() {
  std::ifstream meminfo("/proc/meminfo");
  std::string name;
  std::size_t kib = 0;
  for (std::string rest; meminfo >> name >> kib && name != "Shmem:";) std::getline(meminfo, rest);
  return kib;
}

TEST_CASE("kill -9 leaves nothing behind: memfd") {
  constexpr Bytes kMuch = kMiB * 128;  // more than others come and go by
  const std::size_t before = shared_kib();
  take_and_die(in_memfd(PageKind::kSmall), kMuch, 1);
  CHECK(shared_kib() < before + kMuch / kKiB / 2);
  if (!has_free_2m(8)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const std::size_t free = read_huge_pages(kMiB * 2).all.free;
  take_and_die(in_memfd(PageKind::kHuge2M), kUnit * 8, 1);
  for (int i = 0; i < 100 && read_huge_pages(kMiB * 2).all.free < free; ++i) usleep(10'000);  // others may have some
  CHECK(read_huge_pages(kMiB * 2).all.free >= free);
}

TEST_CASE("kill -9 leaves nothing behind: files in a hugetlbfs") {
  if (!has_free_2m(3)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount(kUnit.rep * 4);
  if (!mount.usable()) FM_SKIP(mount.why_not());
  const int directory = open(mount.directory(), O_RDONLY | O_DIRECTORY);
  for (const FileKind files : {FileKind::kHugetlbfs, FileKind::kHugetlbfsList}) {
    take_and_die(in_files(mount, files), kUnit * 3, 1);
    CHECK(mount.names().empty());
    CHECK(hugetlbfs_room(directory) == kUnit * 4);
  }
  close(directory);
}

TEST_CASE("files have no names, unless they are kept") {
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  for (const FileKind files : {FileKind::kHugetlbfs, FileKind::kHugetlbfsList}) {
    const auto backing = must_make(in_files(mount, files));
    const Region region = must_reserve(*backing, kUnit);
    CHECK(mount.names().empty());
    backing->release(region);
  }
  StandaloneOptions options = in_files(mount, FileKind::kHugetlbfs, true);
  options.file_prefix = "mine";
  auto backing = must_make(options);
  const Region region = must_reserve(*backing, kUnit);
  CHECK(mount.names().size() == 2);  // and the lock
  for (const std::string& name : mount.names()) CHECK(name.starts_with("mine."));
  backing->release(region);
  CHECK(mount.names().size() == 1);
  backing.reset();
  CHECK(mount.names().empty());
}

// ---- what is kept, and reused

void check_reuse(const HugetlbMount& mount, FileKind files) {
  const StandaloneOptions options = in_files(mount, files, true);
  take_and_die(options, kUnit * 2, 0x77);
  const std::size_t names = mount.names().size();
  CHECK(names == 2);
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
