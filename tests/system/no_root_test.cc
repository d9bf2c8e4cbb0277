// SPDX-License-Identifier: BSD-3-Clause
// Does the default heap work for users without rights, with little address space, and where nothing may be locked?
#include <doctest/doctest.h>
#include <fastmem.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/api/c_heap.h"
#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

using test::ChildResult;

constexpr uid_t kNobody = 65534;

// The default heap of a new process, used as programs do. Nothing, or what went wrong.
std::string use_default_heap() {
  fastmem_set_log([](int, const char*, void*) {}, nullptr);
  std::vector<void*> objects;
  for (std::size_t size = 1; size <= std::size_t{4} << 20; size += 1 + size / 2) {
    for (int i = 0; i < 20; ++i) {
      void* const p = fastmem_alloc(size, 0, 0);
      if (p == nullptr) return fastmem_error_text();
      std::memset(p, 1, size);
      objects.push_back(p);
    }
  }
  if (fastmem_free_bulk(objects.data(), objects.size()) != 0) return fastmem_error_text();
  fastmem_stats_t stats = {};
  stats.struct_size = sizeof(stats);
  if (fastmem_stats(nullptr, &stats) != 0 || stats.bytes_in_use != 0) return "stats";
  fastmem_trim(nullptr);
  return fastmem_alloc(100, 0, 0) != nullptr ? "" : fastmem_error_text();
}

bool become_nobody() { return setgid(kNobody) == 0 && setuid(kNobody) == 0; }

bool limit(__rlimit_resource_t resource, std::size_t most) {
  const rlimit limits = {most, most};
  return setrlimit(resource, &limits) == 0;
}

void must_work(const ChildResult& child) {
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

// A new program, as users start it: this one again, for the one case that only then does something.
std::string run_again_as_nobody() {
  const int self = open("/proc/self/exe", O_RDONLY);  // nobody may not be let into its directory
  if (self < 0 || !become_nobody()) return "cannot become nobody";
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", self);
  char only[] = "--test-case=inner: *";
  char name[] = "no_root_test";
  char* const arguments[] = {name, only, nullptr};
  char inner[] = "FASTMEM_TEST_INNER=1";
  char* const environment[] = {inner, nullptr};
  const int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, STDOUT_FILENO);
  execve(path, arguments, environment);
  return "cannot run the program again";
}

TEST_CASE("inner: the default heap of this process") {
  if (std::getenv("FASTMEM_TEST_INNER") == nullptr) return;  // run by the case below
  CHECK(use_default_heap() == "");
}

TEST_CASE("a program that nobody starts") {
  if (geteuid() != 0) FM_SKIP("needs root, to become nobody");
  const ChildResult child = test::run_in_child(run_again_as_nobody);
  must_work(child);
}

TEST_CASE("nobody, with nothing that may be locked") {
  if (geteuid() != 0) FM_SKIP("needs root, to become nobody");
  must_work(test::run_in_child([]() -> std::string {
    if (!limit(RLIMIT_MEMLOCK, 0) || !become_nobody()) return "cannot become nobody";
    return use_default_heap();
  }));
}

TEST_CASE("nobody, with as few files open as can be") {
  if (geteuid() != 0) FM_SKIP("needs root, to become nobody");
  must_work(test::run_in_child([]() -> std::string {
    if (!limit(RLIMIT_NOFILE, 3) || !become_nobody()) return "cannot become nobody";
    return use_default_heap();
  }));
}

TEST_CASE("2 GiB of address space, and less") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's shadow memory does not fit a limit on address space");
  for (const std::size_t gigabyte_halves : {4, 2}) {
    CAPTURE(gigabyte_halves);
    must_work(test::run_in_child([=]() -> std::string {
      if (!limit(RLIMIT_AS, gigabyte_halves * 512 * test::kMegabyte)) return "cannot limit the address space";
      if (std::string wrong = use_default_heap(); !wrong.empty()) return wrong;
      std::vector<char> rest(100 * test::kMegabyte, 1);  // the program has its share
      return rest.back() == 1 ? "" : "no";
    }));
  }
}

TEST_CASE("too little address space for any heap is an error") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's shadow memory does not fit a limit on address space");
  must_work(test::run_in_child([]() -> std::string {
    if (!limit(RLIMIT_AS, 40 * test::kMegabyte)) return "cannot limit the address space";
    errno = 0;
    if (fastmem_alloc(100, 0, 0) != nullptr) return "";  // it fits
    if (errno != ENOMEM) return "errno " + std::to_string(errno);
    return test::says(test::error_text(), "ulimit -v") ? "" : test::error_text();
  }));
}

TEST_CASE("2 GiB of address space as nobody with nothing that may be locked") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's shadow memory does not fit a limit on address space");
  if (geteuid() != 0) FM_SKIP("needs root, to become nobody");
  must_work(test::run_in_child([]() -> std::string {
    if (!limit(RLIMIT_AS, 2048 * test::kMegabyte) || !limit(RLIMIT_MEMLOCK, 0) || !become_nobody()) return "rights";
    return use_default_heap();
  }));
}

TEST_CASE("without /proc and /sys") {
  if (geteuid() != 0) FM_SKIP("needs root, for an empty root directory");
  char directory[] = "/tmp/fastmem-empty-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  must_work(test::run_in_child([&]() -> std::string {
    return chroot(directory) == 0 && chdir("/") == 0 ? use_default_heap() : "no empty root directory";
  }));
  rmdir(directory);
}

}  // namespace
}  // namespace fastmem
