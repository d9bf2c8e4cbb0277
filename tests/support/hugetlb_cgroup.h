// SPDX-License-Identifier: BSD-3-Clause
// tests/support/hugetlb_cgroup.h: a real cgroup with a limit on hugetlb pages, gone when the object is.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace fastmem::test {

class HugetlbCgroup {
 public:
  // Check usable() before anything else; why_not() says what is missing.
  HugetlbCgroup() {
    if (geteuid() != 0) {
      why_not_ = "needs root";
    } else if (!find_hierarchy()) {
      why_not_ = "no cgroup hierarchy with the hugetlb controller is mounted";
    } else {
      create();
    }
  }
  HugetlbCgroup(const HugetlbCgroup&) = delete;
  HugetlbCgroup& operator=(const HugetlbCgroup&) = delete;
  ~HugetlbCgroup() {
    if (!directory_.empty()) rmdir(directory_.c_str());
    if (enabled_here_) put(top_ + "/cgroup.subtree_control", "-hugetlb");
    if (lock_ >= 0) close(lock_);
  }

  bool usable() const { return why_not_.empty(); }
  const char* why_not() const { return why_not_.c_str(); }
  const std::string& directory() const { return directory_; }

  bool limit_pages(std::size_t bytes) const { return limit(version2_ ? "max" : "limit_in_bytes", bytes); }
  bool limit_reservations(std::size_t bytes) const {
    return limit(version2_ ? "rsvd.max" : "rsvd.limit_in_bytes", bytes);
  }

  // Moves the calling process there; for children only.
  bool enter() const { return put(directory_ + "/cgroup.procs", std::to_string(getpid())); }

 private:
  static bool put(const std::string& file, const std::string& text) {
    const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(fd);
    return written;
  }

  static bool has_hugetlb(const std::string& file) {
    std::ifstream in(file);
    for (std::string word; in >> word;) {
      if (word == "hugetlb") return true;
    }
    return false;
  }

  bool limit(const char* name, std::size_t bytes) const {
    return put(directory_ + "/hugetlb.2MB." + name, std::to_string(bytes));
  }

  bool find_hierarchy() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
      std::istringstream fields(line);
      std::string device, point, type, options;
      fields >> device >> point >> type >> options;
      version2_ = type == "cgroup2";
      const bool found = version2_ ? has_hugetlb(point + "/cgroup.controllers")
                                   : type == "cgroup" && (',' + options + ',').find(",hugetlb,") != std::string::npos;
      if (!found) continue;
      top_ = point;
      return true;
    }
    return false;
  }

  void create() {
    lock_ = open(top_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_ < 0 || flock(lock_, LOCK_EX) != 0) {
      why_not_ = "cannot lock " + top_;
      return;
    }
    remove_left_behind();
    if (version2_ && !has_hugetlb(top_ + "/cgroup.subtree_control")) {
      enabled_here_ = put(top_ + "/cgroup.subtree_control", "+hugetlb");
    }
    const std::string directory = top_ + "/fastmem-test-" + std::to_string(getpid());
    if (mkdir(directory.c_str(), 0755) != 0) {
      why_not_ = "cannot make a cgroup below " + top_;
      return;
    }
    directory_ = directory;
    if (!limit_pages(std::size_t{1} << 40)) why_not_ = "the hugetlb controller cannot be enabled below " + top_;
  }

  // Of tests that were killed. Cgroups with processes in them stay.
  void remove_left_behind() const {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(top_, ignored)) {
      if (entry.path().filename().string().starts_with("fastmem-test-")) rmdir(entry.path().c_str());
    }
  }

  bool version2_ = false;
  bool enabled_here_ = false;
  int lock_ = -1;  // one test at a time: switching the controller off would take it from the others
  std::string top_;
  std::string directory_;
  std::string why_not_;
};

}  // namespace fastmem::test
