// SPDX-License-Identifier: BSD-3-Clause
// tests/support/hugetlb_mount.h: a hugetlbfs of 2 MiB pages of the test's own, with a limit where one is asked, gone when
// the object is. Needs root.
#pragma once

#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace fastmem::test {

class HugetlbMount {
 public:
  // Check usable() before anything else; why_not() says what is missing. `size` in bytes, 0: no limit.
  explicit HugetlbMount(std::size_t size = 0) {
    if (geteuid() != 0) {
      why_not_ = "needs root, to mount a hugetlbfs";
      return;
    }
    const char* const base = std::getenv("TEST_TMPDIR");
    directory_ = std::string(base != nullptr ? base : "/tmp") + "/fastmem-hugetlbfs-XXXXXX";
    if (mkdtemp(directory_.data()) == nullptr) {
      why_not_ = "no directory to mount a hugetlbfs on";
      return;
    }
    const std::string options = "pagesize=2M" + (size != 0 ? ",size=" + std::to_string(size) : "");
    mounted_ = mount("none", directory_.c_str(), "hugetlbfs", 0, options.c_str()) == 0;
    if (!mounted_) why_not_ = "a hugetlbfs cannot be mounted";
  }
  HugetlbMount(const HugetlbMount&) = delete;
  HugetlbMount& operator=(const HugetlbMount&) = delete;
  ~HugetlbMount() {
    for (const std::string& name : names()) unlink((directory_ + "/" + name).c_str());
    if (mounted_) umount2(directory_.c_str(), MNT_DETACH);
    if (!directory_.empty()) rmdir(directory_.c_str());
  }

  bool usable() const { return why_not_.empty(); }
  const char* why_not() const { return why_not_.c_str(); }
  const char* directory() const { return directory_.c_str(); }

  // Of the files in it.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    std::error_code ignored;
    if (!mounted_) return names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  bool mounted_ = false;
  std::string directory_;
  std::string why_not_;
};

}  // namespace fastmem::test
