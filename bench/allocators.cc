// SPDX-License-Identifier: BSD-3-Clause
// bench/allocators.cc -- Q: who is compared, and where on this machine is it?
#include "bench/allocators.h"

#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>

namespace bench {
namespace {

namespace fs = std::filesystem;

std::string find_library(const std::string& soname) {
  utsname machine{};
  uname(&machine);
  const std::string multiarch = std::string(machine.machine) + "-linux-gnu";
  const fs::path folders[] = {"/usr/local/lib", fs::path("/usr/lib") / multiarch, fs::path("/lib") / multiarch,
                              "/usr/lib64", "/usr/lib"};
  for (const fs::path& folder : folders) {
    std::error_code error;
    if (fs::exists(folder / soname, error)) return folder / soname;
  }
  return "";
}

}  // namespace

const std::vector<AllocatorInfo>& allocators() {
  static const std::vector<AllocatorInfo> all = {
      {.name = kOurs, .soname = "", .program = "", .judged = false},
      {.name = kGlibc, .soname = "", .program = "", .judged = true},
      {.name = "jemalloc", .soname = "libjemalloc.so.2", .program = "", .judged = true},
      {.name = "mimalloc", .soname = "libmimalloc.so.2", .program = "", .judged = true},
      {.name = "tcmalloc", .soname = "libtcmalloc_minimal.so.4", .program = "", .judged = true},
  };
  return all;
}

const AllocatorInfo* find_allocator(const std::string& name) {
  const auto found = std::find_if(allocators().begin(), allocators().end(),
                                  [&](const AllocatorInfo& allocator) { return allocator.name == name; });
  return found == allocators().end() ? nullptr : &*found;
}

Located locate(const AllocatorInfo& allocator) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  Located located{.installed = true, .preload = "", .program = self};
  if (!allocator.program.empty()) located.program = self.parent_path() / allocator.program;
  if (!allocator.soname.empty()) located.preload = find_library(allocator.soname);
  if (!fs::exists(located.program, error)) located.installed = false;
  if (!allocator.soname.empty() && located.preload.empty()) located.installed = false;
  return located;
}

}  // namespace bench
