// SPDX-License-Identifier: BSD-3-Clause
// Pressure stall information: is the process's own cgroup found, does the real kernel take a trigger, and what is said
// where it does not?
#include "platform/memory_pressure.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "platform/wake_event.h"
#include "tests/support/child_process.h"
#include "tests/support/fake_root.h"
#include "tests/support/skip.h"

namespace fastmem {
namespace {

constexpr std::uint32_t kStall = 200'000, kWindow = 2'000'000;  // us

std::string own_file(const char* cgroup, const char* mounts) {
  const test::FakeRoot root;
  root.write("/proc/self/cgroup", cgroup);
  root.write("/proc/self/mountinfo", mounts);
  const std::string path = own_pressure_file(root.path()).c_str();
  return path.empty() ? path : path.substr(std::string(root.path()).size());
}

TEST_CASE("the memory.pressure of the process's own cgroup") {
  const char* const unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
  CHECK(own_file("0::/a/b\n", unified) == "/sys/fs/cgroup/a/b/memory.pressure");
  CHECK(own_file("4:memory:/x\n0::/a\n", unified) == "/sys/fs/cgroup/a/memory.pressure");
  CHECK(own_file("0::/\n", unified) == "");
  CHECK(own_file("4:memory:/x\n", unified) == "");
  CHECK(own_file("0::/a\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n") == "");
  // A container sees part of the tree.
  CHECK(own_file("0::/a/b/c\n", "30 23 0:26 /a/b /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n") ==
        "/sys/fs/cgroup/c/memory.pressure");
  CHECK(own_file("0::/a/bc\n", "30 23 0:26 /a/b /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n") == "");
  CHECK(own_file("0::/../a\n", unified) == "");
}

TEST_CASE("where there is no such file the error says what to do") {
  const test::FakeRoot root;
  const Result<int> fd = open_pressure_trigger(Stall::kSome, kStall, kWindow, root.path());
  REQUIRE_FALSE(fd.ok());
  CHECK(fd.code() == ErrorCode::kUnsupported);
  CHECK(std::string(fd.error().text).find("psi=1") != std::string::npos);
}

TEST_CASE("the kernel takes a trigger, and a file that is not urgent lets one sleep") {
  for (const Stall stall : {Stall::kSome, Stall::kFull}) {
    Result<int> fd = open_pressure_trigger(stall, kStall, kWindow);
    if (!fd.ok()) FM_SKIP(fd.error().text);
    const Result<int> event = open_wake_event();
    REQUIRE(event.ok());
    int files[] = {fd.value(), -1};
    sleep_until_woken(event.value(), files, 1'000'000);
    CHECK(files[0] == fd.value());  // the kernel polls it
    int event_file = event.value();
    close_file(files[0]);
    close_file(event_file);
    CHECK(files[0] == -1);
  }
}

TEST_CASE("numbers that no kernel takes are refused with them in the text") {
  if (access("/proc/pressure/memory", W_OK) != 0) FM_SKIP("no /proc/pressure/memory that may be written");
  const Result<int> fd = open_pressure_trigger(Stall::kSome, kWindow + 1, kWindow);
  REQUIRE_FALSE(fd.ok());
  CHECK(std::string(fd.error().text).find("2000001") != std::string::npos);
}

TEST_CASE("in a cgroup of version 2 its own pressure is asked for") {
  std::string top;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, point, type, rest; mounts >> device >> point >> type && std::getline(mounts, rest);) {
    if (type == "cgroup2") top = point;
  }
  if (top.empty()) FM_SKIP("no cgroup2 is mounted");
  const std::string mine = top + "/fastmem_pressure_" + std::to_string(getpid());
  std::error_code refused;
  if (!std::filesystem::create_directory(mine, refused)) FM_SKIP("no cgroup may be made");
  const test::ChildResult child = test::run_in_child([&]() -> std::string {
    std::ofstream(mine + "/cgroup.procs") << getpid() << std::flush;
    const FilePath own = own_pressure_file();
    if (own.c_str() != mine + "/memory.pressure") return std::string("found \"") + own.c_str() + "\"";
    if (access(own.c_str(), W_OK) != 0) return "no PSI in cgroups";
    const Result<int> fd = open_pressure_trigger(Stall::kSome, kStall, kWindow);
    if (!fd.ok()) return fd.error().text;
    char target[512] = {};
    const std::string link = "/proc/self/fd/" + std::to_string(fd.value());
    if (readlink(link.c_str(), target, sizeof(target) - 1) < 0) return "no link";
    return own.c_str() == std::string(target) ? "" : std::string("opened ") + target;
  });
  std::filesystem::remove(mine, refused);
  if (child.text == "no PSI in cgroups") FM_SKIP("no PSI in cgroups");
  CHECK(child.text == "");
}

TEST_CASE("one thread wakes another; a signal before the sleep is not lost, and none is left after it") {
  const Result<int> event = open_wake_event();
  REQUIRE(event.ok());
  signal_wake_event(event.value());
  signal_wake_event(event.value());
  CHECK(sleep_until_woken(event.value(), {}, kForever) == 0);
  CHECK(sleep_until_woken(event.value(), {}, 1) == 0);
  int file = event.value();
  close_file(file);
}

}  // namespace
}  // namespace fastmem
