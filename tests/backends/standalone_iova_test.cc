// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "backends/standalone/iova.h"
#include "tests/support/fake_root.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

constexpr Bytes kPage = kKiB * 4;
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;

// A sparse file that says what /proc/self/pagemap would say about `pages` pages from `base`.
std::string write_pagemap(const test::FakeRoot& root, std::uintptr_t base, std::size_t pages,
                          const std::function<std::uint64_t(std::size_t)>& entry) {
  std::string path = root / "/pagemap";
  std::ofstream file(path, std::ios::binary);
  file.seekp(static_cast<std::streamoff>(base / kPage.rep * sizeof(std::uint64_t)));
  for (std::size_t i = 0; i < pages; ++i) {
    const std::uint64_t value = entry(i);
    file.write(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return path;
}

constexpr std::uintptr_t kBase = 0x40000000;
void* const kAddress = reinterpret_cast<void*>(kBase);

TEST_CASE("frame numbers become addresses, for small and for large pages") {
  const test::FakeRoot root;
  const std::string path = write_pagemap(root, kBase, 1024, [](std::size_t i) { return kPresent | (7000 + i); });
  std::vector<Iova> small(1024);
  REQUIRE(read_physical(kAddress, kPage, small, path.c_str()).ok());
  CHECK(small[0].rep == 7000 * kPage.rep);
  CHECK(small[1023].rep == 8023 * kPage.rep);
  std::vector<Iova> large(2);
  REQUIRE(read_physical(kAddress, kMiB * 2, large, path.c_str()).ok());
  CHECK(large[1].rep == (7000 + 512) * kPage.rep);
}

TEST_CASE("frame number 0 is a missing right, never an address") {
  const test::FakeRoot root;
  const std::string path = write_pagemap(root, kBase, 4, [](std::size_t) { return kPresent; });
  std::vector<Iova> pages(4, kBadIova);
  const Error error = read_physical(kAddress, kPage, pages, path.c_str());
  CHECK(error.code == ErrorCode::kPermission);
  CHECK(std::string(error.text).find("CAP_SYS_ADMIN") != std::string::npos);
  CHECK(pages[0] == kBadIova);
}

TEST_CASE("a page that is not present has no address") {
  const test::FakeRoot root;
  const std::string path = write_pagemap(root, kBase, 2, [](std::size_t i) { return i == 0 ? kPresent | 5 : 0; });
  std::vector<Iova> pages(2, kBadIova);
  CHECK(read_physical(kAddress, kPage, pages, path.c_str()).code == ErrorCode::kNoMemory);
  CHECK(pages[1] == kBadIova);
}

TEST_CASE("no pagemap, no right") {
  CHECK(check_frames_readable("/nonexistent").code == ErrorCode::kPermission);
  CHECK(check_frames_readable("/dev/null").code == ErrorCode::kPermission);
}

TEST_CASE("one physical run, or not") {
  const test::FakeRoot root;
  std::string path = write_pagemap(root, kBase, 600, [](std::size_t i) { return kPresent | (100 + i); });
  CHECK(check_one_physical_run(kAddress, kPage * 600, kPage, path.c_str()).ok());
  path = write_pagemap(root, kBase, 600, [](std::size_t i) { return kPresent | (100 + i + (i > 400 ? 1 : 0)); });
  CHECK(check_one_physical_run(kAddress, kPage * 401, kPage, path.c_str()).ok());
  CHECK(check_one_physical_run(kAddress, kPage * 600, kPage, path.c_str()).code == ErrorCode::kNoMemory);
}

TEST_CASE("an IOMMU is there when it has groups") {
  const test::FakeRoot root;
  CHECK_FALSE(iommu_is_there(root.path()));
  root.write("/sys/kernel/iommu_groups/0/type", "DMA\n");
  CHECK(iommu_is_there(root.path()));
}

TEST_CASE("held pages are present and told by the kernel") {
  if (!check_frames_readable().ok()) FM_SKIP("page frame numbers are not told");
  const Bytes size = kKiB * 64;
  void* const base = mmap(nullptr, size.rep, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(base != MAP_FAILED);
  std::vector<Iova> pages(16);
  CHECK(read_physical(base, kPage, pages).code == ErrorCode::kNoMemory);
  REQUIRE(hold_small_pages(base, size).ok());
  REQUIRE(read_physical(base, kPage, pages).ok());
  for (const Iova page : pages) CHECK(page.rep != 0);
  munmap(base, size.rep);
}

}  // namespace
}  // namespace fastmem
