// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <array>
#include <set>
#include <string>

#include "backends/standalone/address_window.h"
#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

AddressWindow must_create(Bytes wanted, Bytes unit) {
  Result<AddressWindow> window = AddressWindow::create(wanted, unit, unit);
  REQUIRE(window.ok());
  return std::move(*window);
}

TEST_CASE("a window is aligned to its unit and as large as asked") {
  for (const Bytes unit : {kMiB * 2, kGiB}) {
    const AddressWindow window = must_create(unit * 3, unit);
    CHECK(window.range().begin % unit.rep == 0);
    CHECK(window.range().size() == unit * 3);
  }
}

TEST_CASE("sizes are rounded up to units") {
  CHECK(must_create(Bytes{1}, kMiB * 2).range().size() == kMiB * 2);
  CHECK(must_create(kMiB * 3, kMiB * 2).range().size() == kMiB * 4);
}

TEST_CASE("first fit, and freed neighbours become one") {
  const Bytes unit = kMiB * 2;
  AddressWindow window = must_create(unit * 4, unit);
  std::array<char*, 4> at{};
  for (char*& each : at) each = static_cast<char*>(window.take(unit));
  CHECK(at[0] == reinterpret_cast<char*>(window.range().begin));
  for (std::size_t i = 1; i < at.size(); ++i) CHECK(at[i] == at[i - 1] + unit.rep);
  CHECK(window.take(unit) == nullptr);

  window.give(at[2], unit);
  window.give(at[0], unit);
  CHECK(window.take(unit * 2) == nullptr);  // two free ones, apart
  window.give(at[1], unit);
  CHECK(window.take(unit * 3) == at[0]);
  CHECK(window.take(unit) == nullptr);
}

TEST_CASE("more units than one word of the bitmap, and runs across words") {
  const Bytes unit = kMiB * 2;
  AddressWindow window = must_create(unit * 200, unit);
  std::set<void*> seen;
  for (int i = 0; i < 200; ++i) CHECK(seen.insert(window.take(unit)).second);
  CHECK(window.take(unit) == nullptr);
  auto* const base = reinterpret_cast<char*>(window.range().begin);
  for (std::size_t i = 60; i < 140; ++i) window.give(base + i * unit.rep, unit);
  CHECK(window.take(unit * 81) == nullptr);
  CHECK(window.take(unit * 80) == base + 60 * unit.rep);
}

TEST_CASE("where the address space is limited, the window is halved until it fits") {
  if (test::kShadowMemory) FM_SKIP("the sanitizer's shadow memory fits into no limit");
  const auto child = test::run_in_child([]() -> std::string {
    const rlimit limit{kGiB.rep * 2, kGiB.rep * 2};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return "setrlimit";
    Result<AddressWindow> window = AddressWindow::create(kGiB * 64, kMiB * 256, kMiB * 2);
    if (!window) return window.error().text;
    if (window->range().size() > kGiB * 2) return "larger than the limit";
    const Result<AddressWindow> refused = AddressWindow::create(kGiB * 64, kGiB * 4, kMiB * 2);
    if (refused.ok()) return "a window beyond the limit";
    return std::string(refused.error().text).find("ulimit -v") == std::string::npos ? refused.error().text : "";
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

}  // namespace
}  // namespace fastmem
