// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/standalone_backing.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "backends/standalone/address_window.h"
#include "backends/standalone/iova.h"
#include "backends/standalone/page_commit.h"
#include "platform/machine_topology.h"
#include "platform/node_binding.h"
#include "platform/pages.h"
#include "tests/support/child_process.h"
#include "tests/support/log_capture.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

constexpr Bytes kUnit = kRegionUnit;
constexpr uid_t kNobody = 65534;

NodeId node() { return machine_topology().nodes().front().id; }

Result<std::unique_ptr<Backing>> make(PageKind pages, IovaMode iova = IovaMode::kAuto, Bytes space = kMiB * 256) {
  return make_standalone_backing({pages, iova, space}, machine_topology());
}

std::unique_ptr<Backing> must_make(PageKind pages, IovaMode iova = IovaMode::kAuto, Bytes space = kMiB * 256) {
  auto backing = make(pages, iova, space);
  REQUIRE_MESSAGE(backing.ok(), std::string(backing.ok() ? "" : backing.error().text));
  return std::move(*backing);
}

bool has_free_2m(std::size_t pages) { return read_huge_pages(kMiB * 2).usable() >= pages; }

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::size_t resident_kib(const Region& region) {
  std::vector<unsigned char> present(region.size.rep / 4096);
  REQUIRE(mincore(region.base, region.size.rep, present.data()) == 0);
  std::size_t kib = 0;
  for (const unsigned char page : present) kib += (page & 1) * 4;
  return kib;
}

TEST_CASE("auto says once which pages it takes and why") {
  const test::LogCapture log;
  must_make(PageKind::kAuto);
  CHECK(log.count(LogLevel::kInfo, "standalone backing: ") == 1);
  CHECK(log.count(LogLevel::kInfo, "pages (") == 1);
}

TEST_CASE("small pages are touched lazily and gone when released") {
  const auto backing = must_make(PageKind::kSmall);
  const Result<Region> region = backing->reserve(kUnit * 8, node(), Contiguity::kAny);
  REQUIRE(region.ok());
  CHECK(region.value().page_size == kKiB * 4);
  CHECK(resident_kib(region.value()) == 0);
  static_cast<char*>(region.value().base)[5] = 1;
  CHECK(resident_kib(region.value()) == 4);
  backing->release(region.value());
  CHECK(resident_kib(region.value()) == 0);
}

TEST_CASE("hugetlb pages are present before they are handed out, and back in the pool after") {
  if (!has_free_2m(8)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const auto backing = must_make(PageKind::kHuge2M);
  const Result<Region> region = backing->reserve(kUnit * 2, node(), Contiguity::kAny);
  REQUIRE(region.ok());
  CHECK(region.value().page_size == kMiB * 2);
  CHECK_FALSE(region.value().inherited_by_fork);
  CHECK(resident_kib(region.value()) == kUnit * 2 / kKiB);
  backing->release(region.value());
  CHECK(resident_kib(region.value()) == 0);
}

TEST_CASE("a named kind that runs out says what was asked, what is there and what helps") {
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const auto backing = must_make(PageKind::kHuge2M, IovaMode::kAuto, kGiB * 64);
  const std::size_t total = read_huge_pages(kMiB * 2).all.total;
  const Result<Region> region = backing->reserve(kUnit * (total + 1), node(), Contiguity::kAny);
  REQUIRE(region.code() == ErrorCode::kNoMemory);
  CHECK(says(region.error().text, std::to_string(total + 1) + " hugetlb pages of 2 MiB asked"));
  CHECK(says(region.error().text, "sudo tee"));
}

TEST_CASE("auto falls back to smaller pages when hugetlb pages run out, and warns once") {
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const test::LogCapture log;
  const auto backing = must_make(PageKind::kAuto, IovaMode::kAuto, kGiB * 64);
  if (backing->region_unit() != kUnit) FM_SKIP("1 GiB pages are free, which auto prefers");
  const Bytes too_many = kUnit * (read_huge_pages(kMiB * 2).all.total + 1);
  for (int i = 0; i < 3; ++i) {
    const Result<Region> region = backing->reserve(too_many, node(), Contiguity::kAny);
    REQUIRE(region.ok());
    CHECK(region.value().page_size == kKiB * 4);
    CHECK(region.value().inherited_by_fork);
    static_cast<char*>(region.value().base)[0] = 1;
    backing->release(region.value());
  }
  CHECK(log.count(LogLevel::kWarning, "falling back to ") == 1);
}

TEST_CASE("nodes of a described topology need not be the kernel's") {
  const auto topology = make_synthetic_topology("numa:4(indexes=0,2,40,41) pu:1");
  REQUIRE(topology.ok());
  const auto backing = make_standalone_backing({PageKind::kSmall, IovaMode::kAuto, kMiB * 64}, *topology.value());
  REQUIRE(backing.ok());
  for (const NodeInfo& info : topology.value()->nodes()) {
    const Result<Region> region = backing.value()->reserve(kUnit, info.id, Contiguity::kAny);
    REQUIRE(region.ok());
    CHECK(region.value().node == info.id);
    static_cast<char*>(region.value().base)[0] = 1;
    backing.value()->release(region.value());
  }
  CHECK(backing.value()->reserve(kUnit, NodeId{1}, Contiguity::kAny).code() == ErrorCode::kNoNode);
}

TEST_CASE("sizes that are no multiple of the unit are refused") {
  const auto backing = must_make(PageKind::kSmall);
  for (const Bytes size : {Bytes{}, kKiB * 4, kUnit + kKiB * 4}) {
    CHECK(backing->reserve(size, node(), Contiguity::kAny).code() == ErrorCode::kInvalid);
  }
  CHECK(make(static_cast<PageKind>(9)).code() == ErrorCode::kInvalid);
  CHECK(make(PageKind::kSmall, static_cast<IovaMode>(9)).code() == ErrorCode::kInvalid);
}

// ---- nodes of this machine

std::vector<NodeId> nodes_with_memory() {
  std::vector<NodeId> nodes;
  for (const NodeInfo& info : machine_topology().nodes()) {
    if (info.memory.rep != 0) nodes.push_back(info.id);
  }
  return nodes;
}

TEST_CASE("memory lies on the node that was asked, whatever its pages") {
  if (nodes_with_memory().size() < 2) FM_SKIP("one node has all memory");
  for (const PageKind kind : {PageKind::kSmall, PageKind::kTransparent, PageKind::kHuge2M}) {
    const auto backing = make(kind);
    if (!backing.ok()) continue;
    for (const NodeId id : nodes_with_memory()) {
      const Result<Region> region = backing.value()->reserve(kUnit * 2, id, Contiguity::kAny);
      if (!region.ok() && read_huge_pages(kUnit).find(id)->pool.free < 2) continue;
      REQUIRE_MESSAGE(region.ok(), std::string(region.ok() ? "" : region.error().text));
      for (std::size_t at = 0; at < region.value().size.rep; at += 4096) {
        char* const page = static_cast<char*>(region.value().base) + at;
        *page = 1;
        REQUIRE(node_of_page(page) == id);
      }
      backing.value()->release(region.value());
    }
  }
}

TEST_CASE("a node that has run out is an error, though others have pages") {
  if (nodes_with_memory().size() < 2) FM_SKIP("one node has all memory");
  const HugePages pages = read_huge_pages(kUnit);
  const NodeId full = nodes_with_memory().back();
  if (pages.find(full) == nullptr || pages.usable() <= pages.usable(full)) FM_SKIP("only one node has hugetlb pages");
  const auto backing = must_make(PageKind::kHuge2M, IovaMode::kNone, kGiB * 4);
  const Result<Region> region = backing->reserve(kUnit * (pages.usable(full) + 1), full, Contiguity::kAny);
  REQUIRE(region.code() == ErrorCode::kNoMemory);
  CHECK(says(region.error().text, "/sys/devices/system/node/node" + std::to_string(full.rep)));

  // Without a look before: the pages run out in the middle, with no signal.
  Result<AddressWindow> window = AddressWindow::create(kGiB * 4, kGiB * 4, kUnit);
  REQUIRE(window.ok());
  const Bytes size = kUnit * (pages.find(full)->pool.free + 1);
  void* const at = window->take(size);
  CHECK(commit_huge(at, size, kUnit, full).code == ErrorCode::kNoMemory);
  CHECK(decommit(at, size));
  CHECK(read_huge_pages(kUnit).find(full)->pool.free == pages.find(full)->pool.free);
}

TEST_CASE("nodes without memory give none, and holes are no nodes") {
  const auto backing = must_make(PageKind::kSmall);
  std::vector<bool> there(kMaxNodes);
  for (const NodeInfo& info : machine_topology().nodes()) {
    there[info.id.rep] = true;
    if (info.memory.rep != 0) continue;
    CHECK(backing->reserve(kUnit, info.id, Contiguity::kAny).code() == ErrorCode::kNoMemory);
  }
  for (std::uint16_t id = 0; id < kMaxNodes; ++id) {
    if (!there[id]) CHECK(backing->reserve(kUnit, NodeId{id}, Contiguity::kAny).code() == ErrorCode::kNoNode);
  }
}

// ---- IOVA

TEST_CASE("IOVA as VA") {
  const auto backing = must_make(PageKind::kSmall, IovaMode::kVirtual);
  Result<Region> region = backing->reserve(kUnit, node(), Contiguity::kContiguous);
  REQUIRE(region.ok());
  CHECK(region.value().inherited_by_fork);
  std::vector<Iova> pages(512);
  REQUIRE(backing->iova(region.value(), pages).ok());
  CHECK(pages[0].rep == reinterpret_cast<std::uintptr_t>(region.value().base));
  CHECK(pages[511].rep == pages[0].rep + 511 * 4096);
  backing->release(region.value());
}

TEST_CASE("no IOVA") {
  const auto backing = must_make(PageKind::kSmall, IovaMode::kNone);
  Result<Region> region = backing->reserve(kUnit, node(), Contiguity::kAny);
  REQUIRE(region.ok());
  std::vector<Iova> pages(512);
  CHECK(backing->iova(region.value(), pages).code == ErrorCode::kUnsupported);
  CHECK(backing->reserve(kUnit, node(), Contiguity::kContiguous).code() == ErrorCode::kUnsupported);
  backing->release(region.value());
}

TEST_CASE("physical addresses are the kernel's, and children do not get the pages") {
  if (!check_frames_readable().ok()) FM_SKIP("page frame numbers are not told");
  for (const IovaMode mode : {IovaMode::kAuto, IovaMode::kPhysical}) {
    const auto backing = must_make(PageKind::kSmall, mode);
    Result<Region> region = backing->reserve(kUnit, node(), Contiguity::kAny);
    REQUIRE(region.ok());
    CHECK(region.value().inherited_by_fork == (mode == IovaMode::kAuto));
    CHECK(resident_kib(region.value()) == (mode == IovaMode::kAuto ? 0 : kUnit / kKiB));
    std::vector<Iova> pages(512);
    REQUIRE(backing->iova(region.value(), pages).ok());
    const auto touch = [&]() -> std::string {
      static_cast<volatile char*>(region.value().base)[0] = 1;
      return "";
    };
    CHECK(test::run_in_child(touch).signal == SIGSEGV);
    touch();  // no copy on write: the page is where it was
    std::vector<Iova> again(512);
    REQUIRE(read_physical(region.value().base, kKiB * 4, again).ok());
    CHECK(pages == again);
    backing->release(region.value());
  }
}

TEST_CASE("one hugetlb page is contiguous") {
  if (!check_frames_readable().ok()) FM_SKIP("page frame numbers are not told");
  if (!has_free_2m(1)) FM_SKIP("too few free 2 MiB hugetlb pages");
  const auto backing = must_make(PageKind::kHuge2M);
  Result<Region> region = backing->reserve(kUnit, node(), Contiguity::kContiguous);
  REQUIRE(region.ok());
  Iova page = kBadIova;
  REQUIRE(backing->iova(region.value(), {&page, 1}).ok());
  CHECK(page.rep % kUnit.rep == 0);
  backing->release(region.value());
}

TEST_CASE("without the right to frame numbers: no addresses, and pa is refused from the start") {
  if (geteuid() != 0) FM_SKIP("needs root, to give rights up");
  const auto child = test::run_in_child([]() -> std::string {
    if (setuid(kNobody) != 0) return "setuid";
    if (make(PageKind::kSmall, IovaMode::kPhysical).code() != ErrorCode::kPermission) return "pa was not refused";
    auto backing = make(PageKind::kAuto);
    if (!backing) return backing.error().text;
    Result<Region> region = (*backing)->reserve((*backing)->region_unit(), node(), Contiguity::kAny);
    if (!region) return region.error().text;
    std::vector<Iova> pages(region.value().size / region.value().page_size, kBadIova);
    const Error error = (*backing)->iova(region.value(), pages);
    if (iommu_is_there()) return error.ok() ? "" : "an IOMMU, but no IOVA as VA";
    if (error.code != ErrorCode::kPermission) return "IOVAs without the right to them";
    return pages[0] == kBadIova ? "" : "an address was written";
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

TEST_CASE("a limit on locked memory is told with what helps") {
  if (geteuid() != 0) FM_SKIP("needs root, to give rights up");
  const auto child = test::run_in_child([]() -> std::string {
    const rlimit limit{kMiB.rep, kMiB.rep};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setuid(kNobody) != 0) return "setup";
    const Error error = [] {
      void* const base = mmap(nullptr, kUnit.rep, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      return hold_small_pages(base, kUnit);
    }();
    if (error.code != ErrorCode::kPermission) return "locked beyond the limit";
    return says(error.text, "RLIMIT_MEMLOCK is 1 MiB") ? "" : error.text;
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

// ---- limited machines

TEST_CASE("with a limited address space the window leaves half of it") {
  if (test::kShadowMemory) FM_SKIP("the sanitizer's shadow memory fits into no limit");
  const auto child = test::run_in_child([]() -> std::string {
    const Bytes all = kGiB * 2;
    const rlimit limit{all.rep, all.rep};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return "setrlimit";
    auto backing = make(PageKind::kAuto, IovaMode::kAuto, Bytes{});
    if (!backing) return backing.error().text;
    if ((*backing)->window().size() > all / 2) return "more than half of the address space";
    const Result<Region> region = (*backing)->reserve((*backing)->region_unit(), node(), Contiguity::kAny);
    return region.ok() ? "" : region.error().text;
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

TEST_CASE("without a limit the window has room for twice the machine") {
  const auto backing = must_make(PageKind::kSmall, IovaMode::kAuto, Bytes{});
  CHECK(backing->window().size() >= kGiB * 64);
}

TEST_CASE("a window that is full is an error with advice, and frees again") {
  const auto backing = must_make(PageKind::kSmall, IovaMode::kAuto, kUnit * 2);
  const Result<Region> all = backing->reserve(kUnit * 2, node(), Contiguity::kAny);
  REQUIRE(all.ok());
  const Result<Region> more = backing->reserve(kUnit, node(), Contiguity::kAny);
  REQUIRE(more.code() == ErrorCode::kNoMemory);
  CHECK(says(more.error().text, "address_space"));
  backing->release(all.value());
  const Result<Region> again = backing->reserve(kUnit, node(), Contiguity::kAny);
  REQUIRE(again.ok());
  backing->release(again.value());
}

// ---- fork

TEST_CASE("a child that leaves the backing leaves the parent's memory alone") {
  auto backing = must_make(PageKind::kAuto);
  const Result<Region> region = backing->reserve(backing->region_unit(), node(), Contiguity::kAny);
  REQUIRE(region.ok());
  static_cast<char*>(region.value().base)[0] = 7;
  const auto child = test::run_in_child([&]() -> std::string {
    backing->release(region.value());
    backing.reset();
    return "";
  });
  CHECK(child.signal == 0);
  CHECK(static_cast<char*>(region.value().base)[0] == 7);
  backing->release(region.value());
}

}  // namespace
}  // namespace fastmem
