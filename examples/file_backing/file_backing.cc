// SPDX-License-Identifier: BSD-3-Clause
#include "examples/file_backing/file_backing.h"

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

using namespace fastmem;  // NOLINT: an example

namespace {

constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

Error refuse(ErrorCode code, const char* what, int error = 0) {
  Error e{.code = code};
  std::snprintf(e.text, sizeof(e.text), "file backing: %s%s%s", what, error != 0 ? ": " : "",
                error != 0 ? std::strerror(error) : "");
  return e;
}

// Address space without memory; puts it back in that state, too.
void* map_nothing(void* at, std::size_t size) {
  return mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at != nullptr ? MAP_FIXED : 0), -1,
              0);
}

}  // namespace

Result<std::unique_ptr<Backing>> FileBacking::open(const char* path, Bytes size, NodeId node) {
  size = round_up(size, kRegionUnit);
  const int fd = ::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return refuse(ErrorCode::kPermission, path, errno);
  // Without holes release() could give nothing back: said now, not in the middle of the night.
  if (ftruncate(fd, static_cast<off_t>(size.rep)) != 0 || fallocate(fd, kPunch, 0, 4096) != 0) {
    const int error = errno;
    close(fd);
    return refuse(ErrorCode::kUnsupported, "a file system that cannot punch holes", error);
  }
  void* const all = map_nothing(nullptr, size.rep + kRegionUnit.rep);  // a unit more, to align what is kept
  if (all == MAP_FAILED) {
    close(fd);
    return refuse(ErrorCode::kNoMemory, "no address space; see ulimit -v");
  }
  const auto start = reinterpret_cast<std::uintptr_t>(all);
  const auto begin = round_up(start, kRegionUnit.rep);
  if (begin != start) munmap(all, begin - start);
  if (begin != start + kRegionUnit.rep) {
    munmap(reinterpret_cast<void*>(begin + size.rep), start + kRegionUnit.rep - begin);
  }
  return std::unique_ptr<Backing>(new FileBacking(fd, {begin, begin + size.rep}, node));
}

FileBacking::FileBacking(int fd, AddressRange window, NodeId node)
    : fd_(fd), window_(window), node_(node), owner_(getpid()), used_(window.size() / kRegionUnit) {}

FileBacking::~FileBacking() {
  close(fd_);
  // In a child of fork() the regions are holes, which something else may have filled.
  if (!in_child()) munmap(reinterpret_cast<void*>(window_.begin), window_.size().rep);
}

bool FileBacking::in_child() const { return getpid() != owner_; }

long FileBacking::offset_of(const void* base) const {
  return static_cast<long>(reinterpret_cast<std::uintptr_t>(base) - window_.begin);
}

Result<Region> FileBacking::reserve(Bytes size, NodeId node, Contiguity contiguity) {
  return reserve_aligned(size, kRegionUnit, node, contiguity);
}

Result<Region> FileBacking::reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity contiguity) {
  if (in_child()) return refuse(ErrorCode::kNotReady, "the file is the parent's");
  if (node != node_) return refuse(ErrorCode::kNoNode, "it serves one node only");
  if (contiguity == Contiguity::kContiguous) return refuse(ErrorCode::kUnsupported, "a file has no device addresses");
  void* const base = take_units(size / kRegionUnit, align / kRegionUnit);
  if (base == nullptr) return refuse(ErrorCode::kNoMemory, "no room left in the file");
  const off_t offset = offset_of(base);
  const unsigned long node_bit = node.rep < 64 ? 1ul << node.rep : 0;
  // The order matters: mapped, then bound, then filled. Touching an unfilled page on a full file system raises SIGBUS;
  // fallocate() answers ENOSPC instead. Not in children: they would share the pages, not copy them.
  int error = 0;
  if (mmap(base, size.rep, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_, offset) == MAP_FAILED) error = errno;
  if (error == 0)
    syscall(SYS_mbind, base, size.rep, MPOL_BIND, &node_bit, 65, 0);  // tmpfs obeys, a disk's cache does not
  if (error == 0 && madvise(base, size.rep, MADV_DONTFORK) != 0) error = errno;
  if (error == 0 && fallocate(fd_, 0, offset, static_cast<off_t>(size.rep)) != 0) error = errno;
  Region region{.base = base,
                .size = size,
                .page_size = kKiB * 4,
                .node = node,
                .zeroed = true,
                .inherited_by_fork = false,
                .fd = fd_,
                .fd_offset = static_cast<std::uint64_t>(offset)};
  if (error == 0) return region;
  release(region);
  return refuse(ErrorCode::kNoMemory, "no room for the file to grow", error);
}

void FileBacking::release(const Region& region) {
  if (in_child()) return;
  const off_t offset = offset_of(region.base);
  const bool unmapped = map_nothing(region.base, region.size.rep) != MAP_FAILED;
  // What cannot be emptied is not handed out again.
  if (fallocate(fd_, kPunch, offset, static_cast<off_t>(region.size.rep)) != 0 || !unmapped) return;
  give_units(region.base, region.size / kRegionUnit);
}

Error FileBacking::check_part(const Region& region, Bytes offset, Bytes size) const {
  if (in_child()) return refuse(ErrorCode::kNotReady, "the file is the parent's");
  const std::size_t unit = discard_unit(region).rep;
  if (size.rep != 0 && offset.rep % unit == 0 && size.rep % unit == 0 && offset + size <= region.size) return Error{};
  return refuse(ErrorCode::kInvalid, "not a part of the region in steps of 64 KiB");
}

// A hole goes out of every mapping; the mapping itself stays, and so does its node.
Error FileBacking::discard(const Region& region, Bytes offset, Bytes size) {
  if (const Error error = check_part(region, offset, size); !error.ok()) return error;
  const off_t begin = offset_of(region.base) + static_cast<off_t>(offset.rep);
  if (fallocate(fd_, kPunch, begin, static_cast<off_t>(size.rep)) == 0) return Error{};
  return refuse(ErrorCode::kUnsupported, "no hole can be punched", errno);
}

// As in reserve(): what cannot be had is an error here, not a signal later.
Error FileBacking::restore(const Region& region, Bytes offset, Bytes size) {
  if (const Error error = check_part(region, offset, size); !error.ok()) return error;
  const off_t begin = offset_of(region.base) + static_cast<off_t>(offset.rep);
  if (fallocate(fd_, 0, begin, static_cast<off_t>(size.rep)) == 0) return Error{};
  const int error = errno;
  fallocate(fd_, kPunch, begin, static_cast<off_t>(size.rep));
  return refuse(ErrorCode::kNoMemory, "no room for the file to grow", error);
}

Error FileBacking::iova(Region&, std::span<Iova>) {
  return refuse(ErrorCode::kUnsupported, "a file has no device addresses");
}

// First fit, at an address that is a multiple of `align` units.
void* FileBacking::take_units(std::size_t n, std::size_t align) {
  const std::lock_guard guard(mutex_);
  const std::size_t begin = window_.begin / kRegionUnit.rep;
  for (std::size_t first = round_up(begin, align) - begin; first + n <= used_.size(); first += align) {
    const auto run = used_.begin() + static_cast<std::ptrdiff_t>(first);
    if (n == 0 || std::find(run, run + static_cast<std::ptrdiff_t>(n), true) != run + static_cast<std::ptrdiff_t>(n)) {
      continue;
    }
    std::fill_n(run, n, true);
    return reinterpret_cast<void*>(window_.begin + first * kRegionUnit.rep);
  }
  return nullptr;
}

void FileBacking::give_units(const void* base, std::size_t n) {
  const std::lock_guard guard(mutex_);
  const std::size_t first = (reinterpret_cast<std::uintptr_t>(base) - window_.begin) / kRegionUnit.rep;
  std::fill_n(used_.begin() + static_cast<std::ptrdiff_t>(first), n, false);
}
