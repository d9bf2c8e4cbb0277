// SPDX-License-Identifier: BSD-3-Clause
// Pages inside of a region that go and come: what the kernel says of them, where they are short, held or addressed.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <vector>

#include "backends/standalone/address_window.h"
#include "backends/standalone/iova.h"
#include "backends/standalone/page_commit.h"
#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"
#include "tests/backends/made_backing.h"
#include "tests/support/child_process.h"
#include "tests/support/hugetlb_cgroup.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using namespace test;  // NOLINT: a test

constexpr Bytes kUnit = kRegionUnit;
constexpr Bytes kStep = kKiB * 64;

char* bytes_of(const Region& region, Bytes offset = {}) { return static_cast<char*>(region.base) + offset.rep; }

StandaloneOptions options_of(PageKind pages, IovaMode iova = IovaMode::kNone) {
  StandaloneOptions options;
  options.pages = pages;
  options.iova = iova;
  options.address_space = kMiB * 256;
  return options;
}

TEST_CASE("the step is the page, or 64 KiB") {
  {
    const auto backing = must_make(options_of(PageKind::kSmall));
    const Region region = must_reserve(*backing, kUnit);
    CHECK(backing->discard_unit(region) == kStep);
    backing->release(region);
  }
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const auto backing = must_make(options_of(PageKind::kHuge2M));
  const Region region = must_reserve(*backing, kUnit);
  CHECK(backing->discard_unit(region) == kUnit);
  CHECK(backing->discard(region, Bytes{}, kStep).code == ErrorCode::kInvalid);
  backing->release(region);
}

TEST_CASE("small pages come lazily again") {
  const auto backing = must_make(options_of(PageKind::kSmall));
  const Region region = must_reserve(*backing, kUnit);
  std::fill_n(bytes_of(region), region.size.rep, 1);
  REQUIRE(backing->discard(region, kStep, kStep * 2).ok());
  CHECK(resident_kib(region.base, region.size) == (kUnit - kStep * 2) / kKiB);
  REQUIRE(backing->restore(region, kStep, kStep * 2).ok());
  CHECK(resident_kib(bytes_of(region, kStep), kStep * 2) == 0);
  backing->release(region);
}

TEST_CASE("locked, held and prefaulted pages are present and locked again") {
  std::vector<StandaloneOptions> all;
  if (check_frames_readable().ok()) all.push_back(options_of(PageKind::kSmall, IovaMode::kPhysical));
  all.push_back(options_of(PageKind::kSmall));
  all.back().prefault = true;
  if (read_pages().locked_limit == kUnlimited) {
    all.push_back(options_of(PageKind::kSmall));
    all.back().locked = true;
    all.push_back(all.back());
    all.back().files = FileKind::kMemfd;
  }
  for (const StandaloneOptions& options : all) {
    const auto backing = must_make(options);
    const Region region = must_reserve(*backing, kUnit);
    CHECK(resident_kib(region.base, region.size) == kUnit / kKiB);
    REQUIRE(backing->discard(region, kStep, kStep).ok());
    CHECK(resident_kib(region.base, region.size) == (kUnit - kStep) / kKiB);
    REQUIRE(backing->restore(region, kStep, kStep).ok());
    CHECK(resident_kib(region.base, region.size) == kUnit / kKiB);
    // MADV_DONTNEED refuses what is locked.
    const bool stays = madvise(bytes_of(region, kStep), kStep.rep, MADV_DONTNEED) != 0;
    CHECK(stays == (options.locked || options.iova == IovaMode::kPhysical));
    backing->release(region);
  }
}

TEST_CASE("pages that are gone have no address, and new ones after") {
  if (!check_frames_readable().ok()) FM_SKIP("page frame numbers are not told");
  for (const FileKind files : {FileKind::kNone, FileKind::kMemfd}) {
    StandaloneOptions options = options_of(PageKind::kSmall, IovaMode::kAuto);
    options.files = files;
    const auto backing = must_make(options);
    Region region = must_reserve(*backing, kUnit);
    // Gone before an address is asked: not brought back by the asking.
    REQUIRE(backing->discard(region, kStep, kStep).ok());
    std::vector<Iova> pages(512);
    REQUIRE(backing->iova(region, pages).ok());
    CHECK(std::count(pages.begin(), pages.end(), kBadIova) == 16);
    CHECK(pages[15] != kBadIova);
    CHECK(pages[16] == kBadIova);
    CHECK(resident_kib(bytes_of(region, kStep), kStep) == 0);
    REQUIRE(backing->restore(region, kStep, kStep).ok());
    CHECK(resident_kib(bytes_of(region, kStep), kStep) == 64);  // held, as the others are
    std::vector<Iova> again(512);
    REQUIRE(backing->iova(region, again).ok());
    CHECK(std::count(again.begin(), again.end(), kBadIova) == 0);
    CHECK(std::equal(pages.begin(), pages.begin() + 16, again.begin()));
    CHECK(std::equal(pages.begin() + 32, pages.end(), again.begin() + 32));
    backing->release(region);
    // The next region there knows nothing of it.
    Region next = must_reserve(*backing, kUnit);
    CHECK(next.base == region.base);
    REQUIRE(backing->iova(next, pages).ok());
    CHECK(std::count(pages.begin(), pages.end(), kBadIova) == 0);
    backing->release(next);
  }
}

TEST_CASE("on kernels that cannot discard hugetlb pages they go by mapping anew") {
  if (!has_free_2m(3)) FM_SKIP("too few free 2 MiB hugetlb pages");
  Result<AddressWindow> window = AddressWindow::create(kUnit * 3, kUnit * 3, kUnit);
  REQUIRE(window.ok());
  auto* const at = static_cast<char*>(window->take(kUnit * 3));
  REQUIRE(commit_huge(at, kUnit * 3, kUnit, node()).ok());
  for (unsigned i = 0; i < 3; ++i) at[i * kUnit.rep] = 1;
  CHECK(discard_huge_by_mapping(at + kUnit.rep, kUnit, kUnit, node()) == 0);
  CHECK(resident_kib(at, kUnit * 3) == kUnit * 2 / kKiB);
  CHECK(restore_huge(at + kUnit.rep, kUnit, kUnit, node(), {}) == 0);
  CHECK(resident_kib(at, kUnit * 3) == kUnit * 3 / kKiB);
  CHECK(at[0] == 1);
  CHECK(at[kUnit.rep] == 0);
  CHECK(at[kUnit.rep * 2] == 1);
  const auto child = test::run_in_child([&]() -> std::string {
    at[kUnit.rep] = 1;
    return "";
  });
  CHECK(child.signal == SIGSEGV);  // still kept from children
  CHECK(decommit(at, kUnit * 3));
}

std::string others_took_it() {
  auto backing = make_standalone_backing(options_of(PageKind::kHuge2M), machine_topology());
  if (!backing.ok()) return backing.error().text;
  Backing& b = **backing;
  const Result<Region> region = b.reserve(kUnit * 3, node(), Contiguity::kAny);
  if (!region.ok()) return region.error().text;
  std::fill_n(bytes_of(region.value()), region.value().size.rep, 1);
  if (!b.discard(region.value(), kUnit, kUnit).ok()) return "discard";
  const Result<Region> taken = b.reserve(kUnit, node(), Contiguity::kAny);
  if (!taken.ok()) return std::string("what was discarded is not to be had: ") + taken.error().text;
  const Error error = b.restore(region.value(), kUnit, kUnit);
  if (error.code != ErrorCode::kNoMemory) return "restored beyond the limit";
  if (std::string(error.text).find("hugetlb.2MB.") == std::string::npos) return error.text;
  // Without a look before, too: no signal, and nothing is left half done.
  if (restore_huge(bytes_of(region.value(), kUnit), kUnit, kUnit, node(), {}) == 0) return "populated beyond the limit";
  b.release(taken.value());
  if (!b.restore(region.value(), kUnit, kUnit).ok()) return "not restored";
  if (bytes_of(region.value(), kUnit)[0] != 0 || bytes_of(region.value())[0] != 1) return "wrong bytes";
  b.release(region.value());
  return "";
}

TEST_CASE("a page that somebody else took meanwhile is an error that says what stands in the way, and comes later") {
  const test::HugetlbCgroup cgroup;
  if (!cgroup.usable()) FM_SKIP(cgroup.why_not());
  if (!has_free_2m(4)) FM_SKIP("too few free 2 MiB hugetlb pages");
  if (!cgroup.limit_pages((kUnit * 3).rep)) FM_SKIP("the cgroup takes no limit");
  const auto child =
      test::run_in_child([&] { return cgroup.enter() ? others_took_it() : std::string("cannot enter the cgroup"); });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

}  // namespace
}  // namespace fastmem
