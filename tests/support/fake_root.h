// SPDX-License-Identifier: BSD-3-Clause
// tests/support/fake_root.h: a directory that stands for "/", with the files of /proc and /sys that a test wants.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace fastmem::test {

class FakeRoot {
 public:
  FakeRoot() {
    const char* const base = std::getenv("TEST_TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/fastmem-root-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;
  ~FakeRoot() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const char* path() const { return path_.c_str(); }
  std::string operator/(const std::string& file) const { return path_ + file; }

  void write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = path_ + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }

  // A pool of hugetlb pages: `directory` is that of the kernel or of a node.
  void write_pool(const std::string& directory, int total, int free, int reserved = 0, int overcommit = 0) const {
    write(directory + "/nr_hugepages", std::to_string(total) + "\n");
    write(directory + "/free_hugepages", std::to_string(free) + "\n");
    write(directory + "/resv_hugepages", std::to_string(reserved) + "\n");
    write(directory + "/surplus_hugepages", "0\n");
    write(directory + "/nr_overcommit_hugepages", std::to_string(overcommit) + "\n");
  }

 private:
  std::string path_;
};

inline const std::string kPool2M = "/sys/kernel/mm/hugepages/hugepages-2048kB";
inline const std::string kPool1G = "/sys/kernel/mm/hugepages/hugepages-1048576kB";
inline std::string node_pool_2m(int node) {
  return "/sys/devices/system/node/node" + std::to_string(node) + "/hugepages/hugepages-2048kB";
}

}  // namespace fastmem::test
