// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>

#include <string>

#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"
#include "tests/contract/backing_contract.h"
#include "tests/support/hugetlb_mount.h"
#include "tests/support/skip.h"

namespace fastmem::test {
namespace {

NodeId first_node_with_memory() {
  for (const NodeInfo& node : machine_topology().nodes()) {
    if (node.memory.rep != 0) return node.id;
  }
  return machine_topology().nodes().front().id;
}

// The address space ends before the machine's pool of hugetlb pages does: other tests need some, too.
Bytes address_space(PageKind pages) {
  const bool by_1g = pages == PageKind::kHuge1G || (pages == PageKind::kAuto && read_huge_pages(kGiB).usable() > 0);
  return (by_1g ? kGiB : kRegionUnit) * (kContractUnits * 8);
}

void check(PageKind pages, IovaMode iova, StandaloneOptions options = {}) {
  const auto make = [pages, iova, options]() mutable {
    options.pages = pages;
    options.iova = iova;
    options.address_space = address_space(pages);
    auto backing = make_standalone_backing(options, machine_topology());
    REQUIRE_MESSAGE(backing.ok(), std::string(backing.ok() ? "" : backing.error().text));
    return std::move(*backing);
  };
  check_backing_contract(make, first_node_with_memory());
}

bool has_free(Bytes page_size) { return read_huge_pages(page_size).usable(first_node_with_memory()) >= kContractUnits; }

TEST_CASE("standalone, the best pages") {
  if (read_huge_pages(kGiB).usable() > 0 && !has_free(kGiB)) FM_SKIP("too few free 1 GiB hugetlb pages");
  check(PageKind::kAuto, IovaMode::kAuto);
}
TEST_CASE("standalone, 4 KiB pages") { check(PageKind::kSmall, IovaMode::kAuto); }
TEST_CASE("standalone, 4 KiB pages, IOVA as VA") { check(PageKind::kSmall, IovaMode::kVirtual); }
TEST_CASE("standalone, 4 KiB pages, no IOVA") { check(PageKind::kSmall, IovaMode::kNone); }

TEST_CASE("standalone, transparent huge pages") {
  if (read_pages().transparent < TransparentHuge::kMadvise) FM_SKIP("transparent huge pages are off");
  check(PageKind::kTransparent, IovaMode::kAuto);
}

TEST_CASE("standalone, 2 MiB pages") {
  if (!has_free(kMiB * 2)) FM_SKIP("too few free 2 MiB hugetlb pages");
  check(PageKind::kHuge2M, IovaMode::kAuto);
}

TEST_CASE("standalone, 1 GiB pages") {
  if (!has_free(kGiB)) FM_SKIP("too few free 1 GiB hugetlb pages");
  check(PageKind::kHuge1G, IovaMode::kAuto);
}

TEST_CASE("standalone, physical addresses from the start") {
  const StandaloneOptions options{PageKind::kSmall, IovaMode::kPhysical, address_space(PageKind::kSmall)};
  if (!make_standalone_backing(options, machine_topology()).ok()) FM_SKIP("page frame numbers are not told");
  const auto make = [options] { return std::move(*make_standalone_backing(options, machine_topology())); };
  check_backing_contract(make, first_node_with_memory());
}

// ---- modes

TEST_CASE("standalone, in a memfd, 4 KiB pages") {
  check(PageKind::kSmall, IovaMode::kAuto, {.files = FileKind::kMemfd});
}
TEST_CASE("standalone, in a memfd, 4 KiB pages, no IOVA") {
  check(PageKind::kSmall, IovaMode::kNone, {.files = FileKind::kMemfd});
}

TEST_CASE("standalone, in a memfd, transparent huge pages") {
  if (read_pages().transparent < TransparentHuge::kMadvise) FM_SKIP("transparent huge pages are off");
  check(PageKind::kTransparent, IovaMode::kNone, {.files = FileKind::kMemfd});
}

TEST_CASE("standalone, in a memfd, 2 MiB pages") {
  if (!has_free(kMiB * 2)) FM_SKIP("too few free 2 MiB hugetlb pages");
  check(PageKind::kHuge2M, IovaMode::kAuto, {.files = FileKind::kMemfd});
}

void check_in_hugetlbfs(const HugetlbMount& mount, FileKind files, bool keep) {
  StandaloneOptions options;
  options.files = files;
  options.directory = mount.directory();
  options.keep_files = keep;
  check(PageKind::kHuge2M, IovaMode::kAuto, options);
}

TEST_CASE("standalone, a file of a hugetlbfs for each region") {
  if (!has_free(kMiB * 2)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_in_hugetlbfs(mount, FileKind::kHugetlbfs, false);
}

TEST_CASE("standalone, a file of a hugetlbfs for each region, kept") {
  if (!has_free(kMiB * 2)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_in_hugetlbfs(mount, FileKind::kHugetlbfs, true);
}

TEST_CASE("standalone, one file of a hugetlbfs for all regions") {
  if (!has_free(kMiB * 2)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_in_hugetlbfs(mount, FileKind::kHugetlbfsList, false);
}

TEST_CASE("standalone, one file of a hugetlbfs for all regions, kept") {
  if (!has_free(kMiB * 2)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const HugetlbMount mount;
  if (!mount.usable()) FM_SKIP(mount.why_not());
  check_in_hugetlbfs(mount, FileKind::kHugetlbfsList, true);
}

TEST_CASE("standalone, 4 KiB pages taken at the start") {
  check(PageKind::kSmall, IovaMode::kAuto, {.preallocate = kRegionUnit * kContractUnits * 4});
}
TEST_CASE("standalone, 4 KiB pages taken at the start, no IOVA") {
  check(PageKind::kSmall, IovaMode::kNone, {.preallocate = kRegionUnit * kContractUnits * 4});
}

TEST_CASE("standalone, 2 MiB pages taken at the start") {
  if (read_huge_pages(kMiB * 2).usable() < kContractUnits * 2) FM_SKIP("too few free 2 MiB hugetlb pages");
  check(PageKind::kHuge2M, IovaMode::kAuto, {.preallocate = kRegionUnit * kContractUnits * 2});
}

TEST_CASE("standalone, 2 MiB pages of a memfd taken at the start") {
  if (read_huge_pages(kMiB * 2).usable() < kContractUnits * 2) FM_SKIP("too few free 2 MiB hugetlb pages");
  check(PageKind::kHuge2M, IovaMode::kAuto,
        {.files = FileKind::kMemfd, .preallocate = kRegionUnit * kContractUnits * 2});
}

TEST_CASE("standalone, 4 KiB pages that are prefaulted") {
  check(PageKind::kSmall, IovaMode::kAuto, {.prefault = true});
}

TEST_CASE("standalone, 4 KiB pages that are locked") {
  if (read_pages().locked_limit < address_space(PageKind::kSmall)) FM_SKIP("RLIMIT_MEMLOCK is low");
  check(PageKind::kSmall, IovaMode::kNone, {.locked = true});
}

}  // namespace
}  // namespace fastmem::test
