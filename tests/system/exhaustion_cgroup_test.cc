// SPDX-License-Identifier: BSD-3-Clause
// In a container: a limit on hugetlb pages is an error with cause and remedy, a limit on memory is one that the heap's own
// limit keeps away from?
#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "platform/cgroup_memory.h"
#include "tests/support/child_process.h"
#include "tests/support/hugetlb_cgroup.h"
#include "tests/support/memory_cgroup.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"
#include "tests/system/exhaustion.h"

namespace fastmem {
namespace {

using test::ChildResult;
using test::kHugePage;
using test::kMegabyte;

constexpr std::size_t kAllowed = 5;  // pages

void must_work(const ChildResult& child) {
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

TEST_CASE("a cgroup's limit on hugetlb pages: full, told with its file, raised, and going on") {
  if (read_huge_pages(kMiB * 2).usable() < 3 * kAllowed) FM_SKIP("too few free 2 MiB hugetlb pages");
  const test::HugetlbCgroup cgroup;
  if (!cgroup.usable()) FM_SKIP(cgroup.why_not());
  const std::size_t free_before = test::free_huge_pages();
  for (const bool reservations : {false, true}) {
    CAPTURE(reservations);
    const auto limit = [&](std::size_t pages) {
      return reservations ? cgroup.limit_reservations(pages * kHugePage) : cgroup.limit_pages(pages * kHugePage);
    };
    if (!limit(kAllowed)) continue;  // a kernel without limits on reservations
    must_work(test::run_in_child([&]() -> std::string {
      test::be_quiet();
      if (!cgroup.enter()) return "cannot enter";
      const fastmem_config_t config = test::config_2m();
      const test::CHeap heap(config);
      const std::string file = cgroup.directory() + "/hugetlb.2MB.";
      std::string wrong = test::fill_and_give_back(heap, 65536, kAllowed * kHugePage / 10 * 9,
                                                   {"cgroup limits them to 10 MiB", "| sudo tee ", file.c_str()});
      if (!wrong.empty()) return wrong;
      const std::vector<void*> objects = test::fill(heap, kMegabyte);
      if (!limit(kAllowed + 2)) return "cannot raise the limit";
      void* more = nullptr;
      if (!test::comes_true([&] { return (more = heap.alloc(kMegabyte)) != nullptr; })) return fastmem_error_text();
      if (heap.free(more) != 0) return "free";
      return test::give_back(heap, objects);
    }));
    CHECK(limit(std::size_t{1} << 20));
  }
  CHECK(test::comes_true([=] { return test::free_huge_pages() == free_before; }));
}

TEST_CASE("a cgroup's limit on hugetlb pages below one page: no heap, and the file that says so") {
  if (read_huge_pages(kMiB * 2).usable() < 1) FM_SKIP("too few free 2 MiB hugetlb pages");
  const test::HugetlbCgroup cgroup;
  if (!cgroup.usable()) FM_SKIP(cgroup.why_not());
  if (!cgroup.limit_pages(0)) FM_SKIP("this kernel has no such limit");
  must_work(test::run_in_child([&]() -> std::string {
    if (!cgroup.enter()) return "cannot enter";
    const fastmem_config_t config = test::config_2m();
    errno = 0;
    if (fastmem_heap_create(&config) != nullptr) return "a heap without pages";
    if (errno != ENOTSUP) return "errno " + std::to_string(errno);
    return test::must_mention({"cgroup limits them", "hugetlb.2MB.max", "| sudo tee"});
  }));
}

// Memory beyond that limit is not refused but ends the process: the heap must not come there.
TEST_CASE("a cgroup's limit on memory is read, and a heap limited below it is filled without being killed") {
  if (geteuid() != 0) FM_SKIP("needs root");
  const test::MemoryCgroup cgroup;
  if (!cgroup.usable()) FM_SKIP("no cgroup hierarchy with the memory controller that may be used");
  const std::size_t allowed = (test::kShadowMemory ? 512 : 128) * kMegabyte;
  if (!cgroup.limit(allowed)) FM_SKIP("this kernel has no such limit");
  must_work(test::run_in_child([&]() -> std::string {
    if (!cgroup.enter()) return "cannot enter";
    const MemoryLimit limit = tightest_memory_limit();
    if (!limit.found || limit.limit != Bytes{allowed}) return "the limit is not seen";
    fastmem_config_t config = test::small_config();
    config.limit_per_node = (limit.headroom() / 2).rep;
    const test::CHeap heap(config);
    for (int round = 0; round < 3; ++round) {
      std::string wrong =
          test::fill_and_give_back(heap, 65536, allowed / 4, {"the limit of node", "is reached", "raise the limit"});
      if (!wrong.empty()) return wrong;
    }
    return test::must_serve_again(heap, kMegabyte);
  }));
}

}  // namespace
}  // namespace fastmem
