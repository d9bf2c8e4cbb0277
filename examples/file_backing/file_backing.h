// SPDX-License-Identifier: BSD-3-Clause
// examples/file_backing/file_backing.h: a Backing of one's own. A heap whose memory is a file, mapped MAP_SHARED: on
// tmpfs it is memory under that mount's limit, on persistent memory or a fast disk it may be larger than the machine's.
// docs/porting.md walks through it; tests/contract/file_backing_contract_test.cc proves it.
#pragma once

#include <fastmem.hpp>
#include <memory>
#include <mutex>
#include <vector>

class FileBacking final : public fastmem::Backing {
 public:
  // Creates or empties the file. `size` is rounded up to region units; it is the most that the heap can hold.
  static fastmem::Result<std::unique_ptr<fastmem::Backing>> open(const char* path, fastmem::Bytes size,
                                                                 fastmem::NodeId node);
  ~FileBacking() override;

  const char* name() const override { return "file"; }
  fastmem::AddressRange window() const override { return window_; }
  fastmem::Bytes region_unit() const override { return fastmem::kRegionUnit; }
  bool inherited_by_fork() const override { return false; }
  fastmem::Result<fastmem::Region> reserve(fastmem::Bytes size, fastmem::NodeId node,
                                           fastmem::Contiguity contiguity) override;
  fastmem::Result<fastmem::Region> reserve_aligned(fastmem::Bytes size, fastmem::Bytes align, fastmem::NodeId node,
                                                   fastmem::Contiguity contiguity) override;
  void release(const fastmem::Region& region) override;
  fastmem::Bytes discard_unit(const fastmem::Region&) const override { return fastmem::kKiB * 64; }
  fastmem::Error discard(const fastmem::Region& region, fastmem::Bytes offset, fastmem::Bytes size) override;
  fastmem::Error restore(const fastmem::Region& region, fastmem::Bytes offset, fastmem::Bytes size) override;
  fastmem::Error iova(fastmem::Region& region, std::span<fastmem::Iova> pages) override;

 private:
  FileBacking(int fd, fastmem::AddressRange window, fastmem::NodeId node);
  // The child of a fork() has the file in common with its parent, but none of the memory.
  bool in_child() const;
  fastmem::Error check_part(const fastmem::Region& region, fastmem::Bytes offset, fastmem::Bytes size) const;
  long offset_of(const void* base) const;  // in the file
  void* take_units(std::size_t n, std::size_t align);
  void give_units(const void* base, std::size_t n);

  const int fd_;
  const fastmem::AddressRange window_;
  const fastmem::NodeId node_;
  const int owner_;  // the process that made it
  std::mutex mutex_;
  std::vector<bool> used_;  // one for each unit of the window, and of the file. Guarded by mutex_
};
