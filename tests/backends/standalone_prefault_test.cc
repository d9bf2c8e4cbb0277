// SPDX-License-Identifier: BSD-3-Clause
// How pages get present: by how many threads, who is told, who can stop it; and memory that is locked, or at an address
// of the caller's choice.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "backends/standalone/address_window.h"
#include "backends/standalone/populate.h"
#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"
#include "tests/backends/made_backing.h"
#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using namespace test;  // NOLINT: a test

constexpr Bytes kUnit = kRegionUnit;
constexpr Bytes kMuch = kPopulateSlice * 3 + kUnit;
constexpr uid_t kNobody = 65534;

StandaloneOptions prefaulting(unsigned threads) {
  StandaloneOptions options;
  options.pages = PageKind::kSmall;
  options.iova = IovaMode::kNone;
  options.address_space = kMiB * 512;
  options.prefault = true;
  options.threads = threads;
  return options;
}

std::size_t threads_now() {
  std::error_code ignored;
  const std::filesystem::directory_iterator tasks("/proc/self/task", ignored);
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

// What the caller is told.
struct Told {
  std::vector<std::size_t> done;
  std::size_t total = 0;
  std::size_t stop_after = SIZE_MAX;  // calls
  std::size_t most_threads = 0;
  bool signals_blocked = true;  // in every other thread

  static int tell(std::size_t done, std::size_t total, void* self) {
    auto& told = *static_cast<Told*>(self);
    told.done.push_back(done);
    told.total = total;
    told.most_threads = std::max(told.most_threads, threads_now());
    told.look_at_signals();
    return told.done.size() < told.stop_after ? 1 : 0;
  }

  void look_at_signals() {
    std::error_code ignored;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
      if (task.path().filename() == std::to_string(gettid())) continue;
      std::ifstream status(task.path() / "status");
      for (std::string line; std::getline(status, line);) {
        if (!line.starts_with("SigBlk:")) continue;
        const std::uint64_t blocked = std::stoull(line.substr(7), nullptr, 16);
        constexpr std::uint64_t kUser = std::uint64_t{1} << (SIGUSR1 - 1) | std::uint64_t{1} << (SIGTERM - 1);
        signals_blocked = signals_blocked && (blocked & kUser) == kUser;
      }
    }
  }
};

TEST_CASE("small pages are present when they were asked to be, whatever the threads") {
  for (const unsigned threads : {1u, 2u, 7u, 0u}) {
    CAPTURE(threads);
    const std::size_t before = threads_now();
    const auto backing = must_make(prefaulting(threads));
    const Region region = must_reserve(*backing, kMuch);
    CHECK(resident_kib(region.base, region.size) == kMuch / kKiB);
    if (!test::kShadowMemory) CHECK(threads_now() == before);  // the sanitizers have threads of their own
    backing->release(region);
  }
}

TEST_CASE("the caller is told how far it is, and the threads run no signal handlers") {
  if (test::kShadowMemory) FM_SKIP("the sanitizers have threads of their own");
  for (const unsigned threads : {1u, 2u}) {
    CAPTURE(threads);
    Told told;
    const std::size_t before = threads_now();
    StandaloneOptions options = prefaulting(threads);
    options.progress = Told::tell;
    options.progress_context = &told;
    const auto backing = must_make(options);
    const Region region = must_reserve(*backing, kMuch);
    REQUIRE(!told.done.empty());
    CHECK(std::is_sorted(told.done.begin(), told.done.end()));
    CHECK(told.done.back() == kMuch.rep);
    CHECK(told.total == kMuch.rep);
    CHECK(told.most_threads <= before + threads - 1);
    CHECK(told.signals_blocked);
    backing->release(region);
  }
}

TEST_CASE("little memory starts no thread") {
  Told told;
  StandaloneOptions options = prefaulting(8);
  options.progress = Told::tell;
  options.progress_context = &told;
  const std::size_t before = threads_now();
  const auto backing = must_make(options);
  const Region region = must_reserve(*backing, kPopulateSlice + kUnit);
  if (!test::kShadowMemory) CHECK(told.most_threads == before);
  CHECK(told.done.back() == region.size.rep);
  backing->release(region);
}

void check_stopped(StandaloneOptions options, Bytes size) {
  Told told;
  told.stop_after = 1;
  options.progress = Told::tell;
  options.progress_context = &told;
  const auto backing = must_make(options);
  const Result<Region> region = backing->reserve(size, node(), Contiguity::kAny);
  REQUIRE(region.code() == ErrorCode::kNoMemory);
  CHECK(says(region.error().text, "stopped by the caller"));
  CHECK(told.done.size() == 1);  // with `auto`, no other page kind is tried
  CHECK(resident_kib(reinterpret_cast<void*>(backing->window().begin), size) == 0);
  told.stop_after = SIZE_MAX;
  backing->release(must_reserve(*backing, size));
}

TEST_CASE("the caller can stop it, and everything is given back") {
  for (const unsigned threads : {1u, 2u}) {
    check_stopped(prefaulting(threads), kMuch);
    StandaloneOptions options = prefaulting(threads);
    options.files = FileKind::kMemfd;
    check_stopped(options, kMuch);
  }
  if (read_huge_pages(kMiB * 2).usable() < 2) FM_SKIP("too few free 2 MiB hugetlb pages");
  StandaloneOptions options = prefaulting(1);
  options.pages = PageKind::kAuto;
  check_stopped(options, kUnit * 2);
}

TEST_CASE("what is preallocated is told as one, and can be stopped") {
  Told told;
  StandaloneOptions options = prefaulting(2);
  options.preallocate = kMuch;
  options.progress = Told::tell;
  options.progress_context = &told;
  must_make(options);
  CHECK(std::is_sorted(told.done.begin(), told.done.end()));
  CHECK(told.done.back() == told.total);
  CHECK(told.total >= kMuch.rep);
  told.stop_after = 1;
  const auto backing = make_standalone_backing(options, machine_topology());
  REQUIRE(backing.code() == ErrorCode::kNoMemory);
  CHECK(says(backing.error().text, "stopped by the caller"));
}

TEST_CASE("threads that are not to be had are done without") {
  if (geteuid() != 0) FM_SKIP("needs root, to give rights up");
  const auto child = test::run_in_child([]() -> std::string {
    const rlimit limit{1, 1};
    if (setrlimit(RLIMIT_NPROC, &limit) != 0 || setuid(kNobody) != 0) return "setup";
    auto backing = make_standalone_backing(prefaulting(4), machine_topology());
    if (!backing.ok()) return backing.error().text;
    const Result<Region> region = (*backing)->reserve(kMuch, node(), Contiguity::kAny);
    if (!region.ok()) return region.error().text;
    return resident_kib(region.value().base, kMuch) == kMuch / kKiB ? "" : "not present";
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

// ---- locked

TEST_CASE("locked pages are present, and a limit on them is told") {
  if (geteuid() != 0) FM_SKIP("needs root, to give rights up");
  const auto child = test::run_in_child([]() -> std::string {
    const rlimit limit{(kUnit * 2).rep, (kUnit * 2).rep};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setuid(kNobody) != 0) return "setup";
    StandaloneOptions options = prefaulting(1);
    options.prefault = false;
    options.locked = true;
    auto backing = make_standalone_backing(options, machine_topology());
    if (!backing.ok()) return backing.error().text;
    const Result<Region> region = (*backing)->reserve(kUnit, node(), Contiguity::kAny);
    if (!region.ok()) return region.error().text;
    if (resident_kib(region.value().base, kUnit) != kUnit / kKiB) return "not present";
    const Result<Region> more = (*backing)->reserve(kUnit * 2, node(), Contiguity::kAny);
    if (more.code() != ErrorCode::kNoMemory) return "locked beyond the limit";
    if (!says(more.error().text, "RLIMIT_MEMLOCK is 4 MiB")) return more.error().text;
    if (!says(more.error().text, "ulimit -l")) return more.error().text;
    (*backing)->release(region.value());
    return (*backing)->reserve(kUnit * 2, node(), Contiguity::kAny).ok() ? "" : "released pages still count";
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

// ---- where the caller says

// Some range that is free now.
std::uintptr_t free_address(Bytes size) {
  const Result<AddressWindow> window = AddressWindow::create(size, size, kUnit);
  REQUIRE(window.ok());
  return window.value().range().begin;
}

TEST_CASE("the address space begins where the caller says, or what is in the way is named") {
  StandaloneOptions options = prefaulting(1);
  options.address_space = kMiB * 64;
  options.base_address = free_address(kMiB * 128) + (kMiB * 32).rep;
  const auto backing = must_make(options);
  CHECK(backing->window().begin == options.base_address);
  CHECK(backing->window().size() == kMiB * 64);
  const Region region = must_reserve(*backing, kUnit);
  CHECK(reinterpret_cast<std::uintptr_t>(region.base) == options.base_address);
  backing->release(region);

  // Wholly, at the beginning and at the end.
  for (const std::size_t at :
       {options.base_address, options.base_address + (kMiB * 32).rep, options.base_address - (kMiB * 32).rep}) {
    StandaloneOptions again = options;
    again.base_address = at;
    const auto taken = make_standalone_backing(again, machine_topology());
    REQUIRE(taken.code() == ErrorCode::kExists);
    CHECK_MESSAGE(says(taken.error().text, "taken by"), std::string(taken.error().text));
    CHECK_MESSAGE(says(taken.error().text, "base_address"), std::string(taken.error().text));
  }
  static_cast<char*>(must_reserve(*backing, kUnit).base)[0] = 1;  // nothing happened to the one that has it
  options.base_address += 4096;
  CHECK(make_standalone_backing(options, machine_topology()).code() == ErrorCode::kInvalid);
  options.base_address = round_down(~std::uintptr_t{0} / 2, kUnit.rep);  // the kernel's half
  CHECK(make_standalone_backing(options, machine_topology()).code() == ErrorCode::kNoMemory);
}

TEST_CASE("what stands at the program's own code is named") {
  StandaloneOptions options = prefaulting(1);
  options.address_space = kUnit;
  options.base_address = round_down(reinterpret_cast<std::uintptr_t>(&free_address), kUnit.rep);
  const auto taken = make_standalone_backing(options, machine_topology());
  REQUIRE(taken.code() == ErrorCode::kExists);
  CHECK_MESSAGE(says(taken.error().text, "standalone_prefault_test"), std::string(taken.error().text));
}

TEST_CASE("a small address space is used up to its end") {
  StandaloneOptions options = prefaulting(1);
  options.address_space = kUnit * 3;
  const auto backing = must_make(options);
  CHECK(backing->window().size() == kUnit * 3);
  std::vector<Region> regions;
  for (int i = 0; i < 3; ++i) regions.push_back(must_reserve(*backing, kUnit));
  const Result<Region> more = backing->reserve(kUnit, node(), Contiguity::kAny);
  REQUIRE(more.code() == ErrorCode::kNoMemory);
  CHECK(says(more.error().text, "address_space"));
  for (const Region& region : regions) backing->release(region);
  CHECK(backing->reserve(kUnit * 3, node(), Contiguity::kAny).ok());
}

}  // namespace
}  // namespace fastmem
