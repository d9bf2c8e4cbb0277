// SPDX-License-Identifier: BSD-3-Clause
// In a container whose limit on hugetlb pages is lower than the pool, everything is an error value and nothing a
// signal.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "backends/standalone/address_window.h"
#include "backends/standalone/page_commit.h"
#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"
#include "tests/support/child_process.h"
#include "tests/support/hugetlb_cgroup.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

constexpr Bytes kPage = kMiB * 2;
constexpr std::size_t kAllowed = 3;  // pages

NodeId node() { return machine_topology().nodes().front().id; }

void touch(const Region& region) {
  for (std::size_t at = 0; at < region.size.rep; at += 4096) static_cast<volatile char*>(region.base)[at] = 1;
}

std::string named_kind_stops_at_the_limit() {
  auto backing = make_standalone_backing({PageKind::kHuge2M, IovaMode::kNone, kMiB * 256}, machine_topology());
  if (!backing) return backing.error().text;
  std::vector<Region> regions;
  for (;;) {
    const Result<Region> region = (*backing)->reserve(kPage, node(), Contiguity::kAny);
    if (!region) {
      const std::string text = region.error().text;
      if (region.code() != ErrorCode::kNoMemory) return "not kNoMemory: " + text;
      if (text.find("hugetlb.2MB.") == std::string::npos) return "the limit's file is not named: " + text;
      break;
    }
    touch(region.value());
    regions.push_back(region.value());
    if (regions.size() > kAllowed) return "more than the limit";
  }
  if (regions.size() != kAllowed) return "only " + std::to_string(regions.size()) + " pages";
  for (const Region& region : regions) (*backing)->release(region);
  const Result<Region> again = (*backing)->reserve(kPage * kAllowed, node(), Contiguity::kAny);
  if (!again) return "released pages did not come back";
  touch(again.value());
  return "";
}

std::string auto_falls_back_at_the_limit() {
  auto backing = make_standalone_backing({PageKind::kAuto, IovaMode::kNone, kMiB * 256}, machine_topology());
  if (!backing) return backing.error().text;
  std::size_t huge = 0;
  for (std::size_t i = 0; i < kAllowed + 4; ++i) {
    const Result<Region> region = (*backing)->reserve(kPage, node(), Contiguity::kAny);
    if (!region) return region.error().text;
    touch(region.value());
    huge += region.value().page_size == kPage ? 1 : 0;
  }
  return huge == kAllowed ? "" : std::to_string(huge) + " hugetlb pages";
}

// The look before populating is not what keeps signals away: this goes straight for the pages.
std::string pages_run_out_in_the_middle_of_a_region() {
  Result<AddressWindow> window = AddressWindow::create(kMiB * 64, kMiB * 64, kPage);
  if (!window) return window.error().text;
  const Bytes size = kPage * (kAllowed + 2);
  void* const at = window->take(size);
  const Error error = commit_huge(at, size, kPage, node());
  if (error.code != ErrorCode::kNoMemory) return "not kNoMemory: " + std::string(error.text);
  if (!decommit(at, size)) return "decommit";
  const Error fits = commit_huge(at, kPage * kAllowed, kPage, node());  // everything was given back
  if (!fits.ok()) return fits.text;
  touch({at, kPage * kAllowed, kPage, node()});
  return "";
}

using Body = std::string (*)();

void run_below(bool reservations, Body body, const char*& skipped) {
  const test::HugetlbCgroup cgroup;
  skipped = nullptr;
  static std::string why_not;
  if (!cgroup.usable()) {
    why_not = cgroup.why_not();
    skipped = why_not.c_str();
    return;
  }
  const std::size_t bytes = (kPage * kAllowed).rep;
  const bool limited = reservations ? cgroup.limit_reservations(bytes) : cgroup.limit_pages(bytes);
  if (!limited) {
    skipped = "this kernel has no such limit";
    return;
  }
  const auto child = test::run_in_child([&]() -> std::string { return cgroup.enter() ? body() : "cannot enter"; });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

bool has_free_pages() { return read_huge_pages(kPage).usable() >= kAllowed * 3; }

#define RUN_BELOW(reservations, body)                                   \
  do {                                                                  \
    if (!has_free_pages()) FM_SKIP("too few free 2 MiB hugetlb pages"); \
    const char* skipped = nullptr;                                      \
    run_below(reservations, body, skipped);                             \
    if (skipped != nullptr) FM_SKIP(skipped);                           \
  } while (false)

TEST_CASE("limit on pages: a named kind") { RUN_BELOW(false, named_kind_stops_at_the_limit); }
TEST_CASE("limit on pages: auto") { RUN_BELOW(false, auto_falls_back_at_the_limit); }
TEST_CASE("limit on pages: in the middle of a region") { RUN_BELOW(false, pages_run_out_in_the_middle_of_a_region); }
TEST_CASE("limit on reservations: a named kind") { RUN_BELOW(true, named_kind_stops_at_the_limit); }
TEST_CASE("limit on reservations: auto") { RUN_BELOW(true, auto_falls_back_at_the_limit); }
TEST_CASE("limit on reservations: in the middle") { RUN_BELOW(true, pages_run_out_in_the_middle_of_a_region); }

}  // namespace
}  // namespace fastmem
