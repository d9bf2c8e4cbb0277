// SPDX-License-Identifier: BSD-3-Clause
// All memory taken at the start: it never goes back before the end, is reused dirty, and there is never more.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <vector>

#include "backends/standalone/iova.h"
#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"
#include "tests/backends/made_backing.h"
#include "tests/support/child_process.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using namespace test;  // NOLINT: a test

constexpr Bytes kUnit = kRegionUnit;

std::size_t nodes_with_memory() {
  const auto nodes = machine_topology().nodes();
  return static_cast<std::size_t>(
      std::count_if(nodes.begin(), nodes.end(), [](const NodeInfo& info) { return info.memory.rep != 0; }));
}

// `units` on each node.
StandaloneOptions options_of(PageKind pages, std::size_t units, IovaMode iova = IovaMode::kNone) {
  StandaloneOptions options;
  options.pages = pages;
  options.iova = iova;
  options.preallocate = kUnit * units * nodes_with_memory();
  return options;
}

std::size_t resident_kib(const Region& region) {
  std::vector<unsigned char> present(region.size.rep / 4096);
  REQUIRE(mincore(region.base, region.size.rep, present.data()) == 0);
  return static_cast<std::size_t>(std::count_if(present.begin(), present.end(), [](auto p) { return (p & 1) != 0; })) *
         4;
}

TEST_CASE("pages stay when regions are released, and what was used is dirty") {
  const auto backing = must_make(options_of(PageKind::kSmall, 4));
  const Region first = must_reserve(*backing, kUnit * 2);
  CHECK(first.zeroed);
  std::fill_n(static_cast<char*>(first.base), first.size.rep, 9);
  backing->release(first);
  CHECK(resident_kib(first) == first.size / kKiB);

  const Region again = must_reserve(*backing, kUnit);
  CHECK(again.base == first.base);
  CHECK_FALSE(again.zeroed);
  CHECK(static_cast<char*>(again.base)[0] == 9);
  const Region half_used = must_reserve(*backing, kUnit * 2);  // one unit that was used, one that was not
  CHECK_FALSE(half_used.zeroed);
  const Region fresh = must_reserve(*backing, kUnit);
  CHECK(fresh.zeroed);
  for (const Region& region : {again, half_used, fresh}) backing->release(region);
}

TEST_CASE("there is never more") {
  const auto backing = must_make(options_of(PageKind::kSmall, 3));
  const Region all = must_reserve(*backing, kUnit * 3);
  const Result<Region> more = backing->reserve(kUnit, node(), Contiguity::kAny);
  REQUIRE(more.code() == ErrorCode::kNoMemory);
  CHECK(says(more.error().text, "preallocate"));
  backing->release(all);
  CHECK(backing->discard_unit(all).rep == 0);
  CHECK(backing->window().size() <= kUnit * 3 * nodes_with_memory());
}

TEST_CASE("too much is refused from the start, and nothing is kept") {
  const HugePages before = read_huge_pages(kMiB * 2);
  if (before.usable() < 2) FM_SKIP("too few free 2 MiB hugetlb pages");
  const auto backing = make_standalone_backing(options_of(PageKind::kHuge2M, before.all.total + 1), machine_topology());
  REQUIRE(backing.code() == ErrorCode::kNoMemory);
  CHECK(says(backing.error().text, "preallocate"));
  CHECK(says(backing.error().text, "hugetlb pages of 2 MiB asked"));
  StandaloneOptions options = options_of(PageKind::kSmall, 4);
  options.address_space = kUnit;
  CHECK(make_standalone_backing(options, machine_topology()).code() == ErrorCode::kInvalid);
}

TEST_CASE("hugetlb pages leave the pool when the backing is made, and come back when it goes") {
  if (read_huge_pages(kMiB * 2).usable() < 8 * nodes_with_memory()) FM_SKIP("too few free 2 MiB hugetlb pages");
  auto backing = must_make(options_of(PageKind::kHuge2M, 8));
  const Region region = must_reserve(*backing, kUnit * 8);
  CHECK(resident_kib(region) == region.size / kKiB);
  backing->release(region);
  CHECK(resident_kib(region) == region.size / kKiB);
  void* const at = region.base;
  backing.reset();
  unsigned char present = 0;
  CHECK(mincore(at, 4096, &present) != 0);  // nothing is mapped there
}

TEST_CASE("descriptors and offsets follow the region") {
  StandaloneOptions options = options_of(PageKind::kSmall, 4);
  options.files = FileKind::kMemfd;
  const auto backing = must_make(options);
  const Region first = must_reserve(*backing, kUnit);
  const Region second = must_reserve(*backing, kUnit);
  for (const Region& region : {first, second}) {
    auto* const other = static_cast<char*>(
        mmap(nullptr, region.size.rep, PROT_READ, MAP_SHARED, region.fd, static_cast<off_t>(region.fd_offset)));
    REQUIRE(static_cast<const void*>(other) != MAP_FAILED);
    static_cast<char*>(region.base)[5] = static_cast<char>(&region == &first ? 1 : 2);
    CHECK(other[5] == static_cast<char*>(region.base)[5]);
    munmap(other, region.size.rep);
    backing->release(region);
  }
}

TEST_CASE("contiguous runs are found where there are some, and the rest stays") {
  if (!check_frames_readable().ok()) FM_SKIP("page frame numbers are not told");
  if (read_huge_pages(kMiB * 2).usable() < 8 * nodes_with_memory()) FM_SKIP("too few free 2 MiB hugetlb pages");
  const auto backing = must_make(options_of(PageKind::kHuge2M, 8, IovaMode::kPhysical));
  Result<Region> run = backing->reserve(kUnit * 2, node(), Contiguity::kContiguous);
  if (run.ok()) {
    std::vector<Iova> pages(2);
    REQUIRE(backing->iova(*run, pages).ok());
    CHECK(pages[1].rep == pages[0].rep + kUnit.rep);
    backing->release(*run);
  } else {
    CHECK(run.code() == ErrorCode::kNoMemory);
  }
  const Region all = must_reserve(*backing, kUnit * 8);
  backing->release(all);
}

TEST_CASE("a child has a copy of small pages, and none of those that are held for a device") {
  const auto backing = must_make(options_of(PageKind::kSmall, 4, IovaMode::kAuto));
  CHECK(backing->inherited_by_fork());
  Region region = must_reserve(*backing, kUnit);
  const auto takes = [&]() -> std::string {
    const Result<Region> more = backing->reserve(kUnit, node(), Contiguity::kAny);
    if (!more.ok()) return more.error().text;
    static_cast<char*>(more.value().base)[0] = 1;
    return "";
  };
  CHECK(test::run_in_child(takes).text == "");
  CHECK(must_reserve(*backing, kUnit).zeroed);  // not the child's
  if (!check_frames_readable().ok()) FM_SKIP("page frame numbers are not told");
  std::vector<Iova> pages(512);
  REQUIRE(backing->iova(region, pages).ok());
  backing->release(region);
  CHECK_FALSE(must_reserve(*backing, kUnit).inherited_by_fork);
  const auto refused = test::run_in_child(takes);
  CHECK(refused.signal == 0);
  CHECK(says(refused.text, "not inherited by fork"));
}

}  // namespace
}  // namespace fastmem
