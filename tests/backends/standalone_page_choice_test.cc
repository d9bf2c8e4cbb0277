// SPDX-License-Identifier: BSD-3-Clause
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "backends/standalone/page_choice.h"
#include "tests/support/fake_root.h"

namespace fastmem {
namespace {

using test::FakeRoot;
using test::kPool1G;
using test::kPool2M;

void write_transparent(const FakeRoot& root, const char* text) {
  root.write("/sys/kernel/mm/transparent_hugepage/enabled", text);
}

std::vector<PageKind> chosen(PageKind asked, const FakeRoot& root) {
  const Result<PageChoice> choice = choose_pages(asked, read_pages(root.path()));
  if (!choice.ok()) return {};
  const auto kinds = choice.value().in_order();
  return {kinds.begin(), kinds.end()};
}

std::string refusal(PageKind asked, const FakeRoot& root) {
  const Result<PageChoice> choice = choose_pages(asked, read_pages(root.path()));
  return choice.ok() ? "" : choice.error().text;
}

using Kinds = std::vector<PageKind>;

TEST_CASE("auto on a plain machine") {
  const FakeRoot root;
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kSmall});
  write_transparent(root, "always [madvise] never\n");
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kTransparent});
  write_transparent(root, "always madvise [never]\n");
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kSmall});
}

TEST_CASE("auto takes hugetlb pages only where one is free, not promised to others, and within the cgroup's limit") {
  const FakeRoot root;
  root.write_pool(kPool2M, 4, 2);
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kHuge2M, PageKind::kSmall});
  root.write_pool(kPool2M, 4, 0);
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kSmall});
  root.write_pool(kPool2M, 4, 2, 2);
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kSmall});

  root.write_pool(kPool2M, 4, 4);
  root.write("/proc/self/cgroup", "0::/\n");
  root.write("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.write("/sys/fs/cgroup/hugetlb.2MB.max", "0\n");
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kSmall});
  CHECK(refusal(PageKind::kHuge2M, root).find("hugetlb.2MB.max") != std::string::npos);
}

TEST_CASE("auto takes 1 GiB pages only where one is free and address space is not scarce") {
  const FakeRoot root;
  write_transparent(root, "[always] madvise never\n");
  root.write_pool(kPool2M, 4, 4);
  root.write_pool(kPool1G, 2, 0);
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kHuge2M, PageKind::kTransparent});
  root.write_pool(kPool1G, 2, 1);
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kHuge1G, PageKind::kHuge2M, PageKind::kTransparent});
  root.write("/proc/self/limits", "Max address space         2147483648           unlimited            bytes     \n");
  CHECK(chosen(PageKind::kAuto, root) == Kinds{PageKind::kHuge2M, PageKind::kTransparent});
}

TEST_CASE("a named kind is that kind or an error that says what would help") {
  const FakeRoot root;
  root.write_pool(kPool2M, 0, 0);
  write_transparent(root, "always madvise [never]\n");
  CHECK(chosen(PageKind::kSmall, root) == Kinds{PageKind::kSmall});
  CHECK(refusal(PageKind::kHuge2M, root).find("sudo tee /proc/sys/vm/nr_hugepages") != std::string::npos);
  CHECK(refusal(PageKind::kHuge1G, root).find("1 GiB") != std::string::npos);
  CHECK(refusal(PageKind::kTransparent, root).find("echo madvise | sudo tee") != std::string::npos);
  CHECK(choose_pages(static_cast<PageKind>(77), read_pages(root.path())).code() == ErrorCode::kInvalid);

  root.write_pool(kPool2M, 8, 0);  // taken now, but perhaps not later
  CHECK(chosen(PageKind::kHuge2M, root) == Kinds{PageKind::kHuge2M});
}

TEST_CASE("the reason is always told") {
  const FakeRoot root;
  for (const int free : {0, 3}) {
    root.write_pool(kPool2M, 3, free);
    const Result<PageChoice> choice = choose_pages(PageKind::kAuto, read_pages(root.path()));
    REQUIRE(choice.ok());
    CHECK(choice.value().why[0] != '\0');
  }
}

}  // namespace
}  // namespace fastmem
