// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/region_files.h -- floor 1. Which file, and which bytes of it, are a region's memory? How are files
// named, who owns them, and what is left behind?
//
// In a hugetlbfs the names begin with the prefix and a dot: `.n0-17` is the 17th region of node 0, `.n0` node 0's list,
// `.lock` is locked as long as a process keeps files under the prefix, `.t...` has a name for a moment only. Every file
// is locked (flock) by the process that has it: what is not locked is nobody's.
//
// Invariant: the bytes of a file that no region has are holes, but for what an earlier process left (`dirty`).
#pragma once

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "backends/standalone/backing_books.h"
#include "backends/standalone/hugetlbfs.h"
#include "backends/standalone/page_commit.h"
#include "backends/standalone/standalone_backing.h"

namespace fastmem {

class RegionFiles {
 public:
  struct Taken {
    FileBytes bytes;
    std::uint32_t number = 0;  // to be given back with
    bool dirty = false;        // some bytes may not read 0
    Bytes present;             // the most that may have pages already
  };

  RegionFiles() = default;
  RegionFiles(const RegionFiles&) = delete;
  RegionFiles& operator=(const RegionFiles&) = delete;
  ~RegionFiles();

  // Once. For `kinds` of pages and the topology's nodes; lists are as large as the window. `mount` where the files are in
  // a hugetlbfs.
  Error open(const StandaloneOptions& options, const HugetlbfsMount& mount, std::span<const PageKind> kinds,
             const Topology& topology, Bytes window);

  bool used() const { return files_ != FileKind::kNone; }

  // For a region at this offset of the window. kNoMemory: no descriptor, no room for names.
  Result<Taken> take(PageKind kind, NodeId node, std::uint64_t window_offset, Bytes size) FM_EXCLUDES(backing_books);
  // The pages are gone. false: they cannot go, and the bytes must not be used again.
  bool give(const FileBytes& bytes, std::uint32_t number, NodeId node, Bytes size);

  // Bytes that the mount's size= leaves; kUnlimited.
  Bytes room() const { return directory_ >= 0 ? hugetlbfs_room(directory_) : kUnlimited; }
  const HugetlbfsMount& mount() const { return mount_; }

 private:
  struct List {
    PageKind kind;
    NodeId node;
    int fd;
    bool dirty;
  };
  struct Spare {  // what an earlier process left: fd < 0 once it is taken
    int fd;
    std::uint32_t number;
    NodeId node;
    Bytes size;
  };
  static constexpr unsigned kMostLists = 3 * kMaxNodes;

  Error open_directory();
  Error lock_prefix();
  Error open_lists(std::span<const PageKind> kinds, const Topology& topology, Bytes window);
  Error open_list(PageKind kind, NodeId node, Bytes window);
  void remove_stale();
  Error collect_spares();

  Result<Taken> take_file(NodeId node, Bytes size);
  Spare take_spare(NodeId node, Bytes size) FM_EXCLUDES(backing_books);
  Error make_file(NodeId node, Spare& file);

  FileKind files_ = FileKind::kNone;
  bool keep_ = false;
  char prefix_[48] = {};
  HugetlbfsMount mount_;
  int directory_ = -1;
  int lock_ = -1;  // .lock, while it is this process's
  const pid_t owner_ = getpid();
  unsigned lists_ = 0;
  std::array<List, kMostLists> list_{};
  std::atomic<std::uint32_t> next_number_{0};  // relaxed: only unique
  std::size_t spares_ = 0;
  std::unique_ptr<Spare[]> spare_;  // guarded by backing_books, once open() is done
};

}  // namespace fastmem
