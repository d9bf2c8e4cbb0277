// SPDX-License-Identifier: BSD-3-Clause
// Memory in files: who else can map it, on which node it lies, and what is left behind.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "backends/standalone/hugetlbfs.h"
#include "backends/standalone/page_commit.h"
#include "platform/node_binding.h"
#include "tests/backends/files.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using namespace test;  // NOLINT: a test

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

// ---- nodes

std::vector<NodeId> nodes_with_memory() {
  std::vector<NodeId> nodes;
  for (const NodeInfo& info : machine_topology().nodes()) {
    if (info.memory.rep != 0) nodes.push_back(info.id);
  }
  return nodes;
}

void check_nodes(const StandaloneOptions& options) {
  const auto backing = must_make(options);
  for (const NodeId id : nodes_with_memory()) {
    const Result<Region> region = backing->reserve(kUnit * 2, id, Contiguity::kAny);
    REQUIRE_MESSAGE(region.ok(), std::string(region.ok() ? "" : region.error().text));
    const auto check = [&] {
      for (std::size_t at = 0; at < region.value().size.rep; at += 4096) {
        bytes_of(region.value())[at] = 1;
        REQUIRE(node_of_page(bytes_of(region.value()) + at) == id);
      }
    };
    check();
    REQUIRE(backing->discard(region.value(), kUnit, kUnit).ok());
    REQUIRE(backing->restore(region.value(), kUnit, kUnit).ok());
    check();
    backing->release(region.value());
  }
}

TEST_CASE("a file's pages lie on the node that was asked, restored ones too") {
  if (nodes_with_memory().size() < 2) FM_SKIP("one node has all memory");
  check_nodes(in_memfd(PageKind::kSmall));
  for (const NodeId id : nodes_with_memory()) {
    if (read_huge_pages(kMiB * 2).usable(id) < 2) FM_SKIP("too few free 2 MiB hugetlb pages");
  }
  check_nodes(in_memfd(PageKind::kHuge2M));
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_nodes(in_files(mount, FileKind::kHugetlbfs));
  check_nodes(in_files(mount, FileKind::kHugetlbfsList));
}

TEST_CASE("fallocate() takes pages of the named node, and the thread's policy comes back") {
  if (nodes_with_memory().size() < 2) FM_SKIP("one node has all memory");
  for (const NodeId id : nodes_with_memory()) {
    if (read_huge_pages(kMiB * 2).usable(id) < 2) FM_SKIP("too few free 2 MiB hugetlb pages");
  }
  const FileBytes file{memfd_create("fastmem-test", MFD_CLOEXEC | MFD_HUGETLB), 0};
  REQUIRE(ftruncate(file.fd, static_cast<off_t>((kUnit * 2).rep)) == 0);
  auto* const at = static_cast<char*>(
      mmap(nullptr, (kUnit * 2).rep, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.fd, 0));
  REQUIRE(static_cast<void*>(at) != MAP_FAILED);
  const NodeId first = nodes_with_memory().front();
  const ThreadOnNode outer(first);  // a policy of the caller's own
  for (const NodeId id : nodes_with_memory()) {
    REQUIRE(allocate_in_file(file, kUnit * 2, id) == 0);
    at[0] = 1;
    at[kUnit.rep] = 1;
    CHECK(node_of_page(at) == id);
    CHECK(node_of_page(at + kUnit.rep) == id);
    CHECK(punch_hole(file, kUnit * 2));
    auto* const small =
        static_cast<char*>(mmap(nullptr, kMiB.rep, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(static_cast<void*>(small) != MAP_FAILED);
    small[0] = 1;
    CHECK(node_of_page(small) == first);
    munmap(small, kMiB.rep);
  }
  munmap(at, (kUnit * 2).rep);
  close(file.fd);
}

// ---- nothing is left behind

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

}  // namespace
}  // namespace fastmem
