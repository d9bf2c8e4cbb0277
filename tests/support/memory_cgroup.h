// SPDX-License-Identifier: BSD-3-Clause
// tests/support/memory_cgroup.h: a real cgroup with a limit on memory, gone when the object is.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace fastmem::test {

class MemoryCgroup {
 public:
  // Check usable() before anything else.
  MemoryCgroup() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; directory_.empty() && std::getline(mounts, line);) {
      std::istringstream fields(line);
      std::string device, point, type, options;
      fields >> device >> point >> type >> options;
      if (type == "cgroup" && (',' + options + ',').find(",memory,") != std::string::npos) make_below(point);
      // Only where the controller is on already: switching it is the administrator's.
      std::ifstream controllers(point + "/cgroup.subtree_control");
      for (std::string word; type == "cgroup2" && controllers >> word;) {
        version2_ = version2_ || word == "memory";
      }
      if (version2_ && directory_.empty()) make_below(point);
    }
  }
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;
  ~MemoryCgroup() {
    if (!directory_.empty()) rmdir(directory_.c_str());
  }

  bool usable() const { return !directory_.empty(); }
  const std::string& directory() const { return directory_; }
  bool limit(std::size_t bytes) const {
    return put(version2_ ? "memory.max" : "memory.limit_in_bytes", std::to_string(bytes));
  }
  // Moves the calling process there; for children only.
  bool enter() const { return put("cgroup.procs", std::to_string(getpid())); }

 private:
  void make_below(const std::string& point) {
    const std::string directory = point + "/fastmem-memory-" + std::to_string(getpid());
    if (mkdir(directory.c_str(), 0755) == 0) directory_ = directory;
  }
  bool put(const char* file, const std::string& text) const {
    const int fd = open((directory_ + "/" + file).c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(fd);
    return written;
  }

  bool version2_ = false;
  std::string directory_;
};

}  // namespace fastmem::test
