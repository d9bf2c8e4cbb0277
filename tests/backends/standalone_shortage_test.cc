// SPDX-License-Identifier: BSD-3-Clause
// A machine whose hugetlb pages are all taken: pages that were discarded do not come back, with no signal and a sentence,
// until somebody gives some. Takes every free page for a moment, so it runs alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "backends/standalone/page_commit.h"
#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

constexpr Bytes kUnit = kRegionUnit;

NodeId node() { return machine_topology().nodes().front().id; }

void check_shortage(FileKind files) {
  StandaloneOptions options;
  options.pages = PageKind::kHuge2M;
  options.iova = IovaMode::kNone;
  options.files = files;
  const auto made = make_standalone_backing(options, machine_topology());
  REQUIRE(made.ok());
  Backing& backing = *made.value();
  const Result<Region> region = backing.reserve(kUnit * 3, node(), Contiguity::kAny);
  REQUIRE(region.ok());
  auto* const bytes = static_cast<char*>(region.value().base);
  std::fill_n(bytes, (kUnit * 3).rep, 1);
  REQUIRE(backing.discard(region.value(), kUnit, kUnit).ok());

  std::vector<Region> all;
  while (all.size() < 65536) {
    const Result<Region> page = backing.reserve(kUnit, node(), Contiguity::kAny);
    if (!page.ok()) break;
    all.push_back(page.value());
  }
  CHECK(!all.empty());
  const Error error = backing.restore(region.value(), kUnit, kUnit);
  CHECK(error.code == ErrorCode::kNoMemory);
  CHECK_MESSAGE(std::string(error.text).find("sudo tee") != std::string::npos, std::string(error.text));
  if (files == FileKind::kNone) {  // without a look before
    CHECK(restore_huge(bytes + kUnit.rep, kUnit, kUnit, node(), {}) == EFAULT);
  }
  CHECK(backing.reserve(kUnit, node(), Contiguity::kAny).code() == ErrorCode::kNoMemory);
  for (const Region& page : all) backing.release(page);
  CHECK(backing.restore(region.value(), kUnit, kUnit).ok());
  CHECK(bytes[0] == 1);
  CHECK(bytes[kUnit.rep] == 0);
  CHECK(bytes[kUnit.rep * 2] == 1);
  backing.release(region.value());
}

TEST_CASE("anonymous pages that others took do not come back, until they do") {
  if (read_huge_pages(kMiB * 2).usable(node()) < 4) FM_SKIP("too few free 2 MiB hugetlb pages");
  check_shortage(FileKind::kNone);
}
TEST_CASE("pages of a memfd that others took do not come back, until they do") {
  if (read_huge_pages(kMiB * 2).usable(node()) < 4) FM_SKIP("too few free 2 MiB hugetlb pages");
  check_shortage(FileKind::kMemfd);
}

}  // namespace
}  // namespace fastmem
