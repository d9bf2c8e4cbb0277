// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/page_commit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "platform/address_space.h"
#include "platform/log.h"
#include "platform/mapping_advice.h"
#include "platform/node_binding.h"
#include "platform/page_advice.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

namespace fastmem {
namespace {

// A container may forbid mbind: memory then comes from where it is first touched, which is better than none.
Error place(void* at, Bytes size, NodeId node) {
  if (!node_needs_binding(node)) return Error{};
  const Error error = bind_to_node(at, size, node);
  if (error.code != ErrorCode::kPermission) return error;
  static std::atomic_flag told;
  if (!told.test_and_set(std::memory_order_relaxed)) log(LogLevel::kWarning, "%s", error.text);
  return Error{};
}

// Every page of private memory present, or an errno.
int populate_private(void* at, Bytes size, Bytes page_size, const Populate& populate) {
  int result = populate_pages(at, size, page_size, populate);
  if (result != EINVAL) return result;
  result = lock_pages(at, size);  // kernels before 5.14
  munlock(at, size.rep);
  return result;
}

int populate_file(void* at, Bytes size, Bytes page_size, const FileBytes& file, NodeId node, const Populate& populate) {
  const int error = populate_pages(at, size, page_size, populate);
  return error == EINVAL ? allocate_in_file(file, size, node) : error;  // kernels before 5.14
}

Error explain_not_populated(Bytes size, const char* pages, int error, bool* stopped) {
  if (error == ECANCELED) {
    if (stopped != nullptr) *stopped = true;
    return make_error(ErrorCode::kNoMemory, "%s of %s: stopped by the caller, whose progress callback returned 0",
                      size_text(size).text, pages);
  }
  return make_error(ErrorCode::kNoMemory, "no %s of %s (%s)", size_text(size).text, pages, std::strerror(error));
}

// Not reserving: a mapping that reserves can fail after the old one is gone, leaving a hole. What proves that the pages
// are there is populating, which a per-node shortage and a cgroup limit cannot deceive as they do a reservation.
bool map_huge(void* at, Bytes size, Bytes page_size) {
  const int size_flag = std::countr_zero(page_size.rep) << MAP_HUGE_SHIFT;
  return mmap(at, size.rep, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE | MAP_FIXED | size_flag, -1, 0) != MAP_FAILED;
}

}  // namespace

// ---- memory comes

Error commit_huge(void* at, Bytes size, Bytes page_size, NodeId node, const Populate& populate, bool* stopped) {
  if (!map_huge(at, size, page_size)) return explain_no_mapping(size, errno);
  if (const Error error = place(at, size, node); !error.ok()) return error;
  if (madvise(at, size.rep, MADV_DONTFORK) != 0) return explain_no_mapping(size, errno);
  if (const int error = populate_private(at, size, page_size, populate); error != 0) {
    return explain_not_populated(size, "hugetlb pages", error, stopped);
  }
  return Error{};
}

Error commit_small(void* at, Bytes size, bool transparent, NodeId node) {
  if (mprotect(at, size.rep, PROT_READ | PROT_WRITE) != 0) return explain_no_mapping(size, errno);
  if (const Error error = place(at, size, node); !error.ok()) return error;
  // Advice only; a kernel without transparent huge pages refuses both.
  madvise(at, size.rep, transparent ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return Error{};
}

Error prefault(void* at, Bytes size, const Populate& populate, bool* stopped) {
  const int error = populate_private(at, size, kSmallPage, populate);
  return error == 0 ? Error{} : explain_not_populated(size, "small pages", error, stopped);
}

Error commit_file(void* at, Bytes size, Bytes page_size, const FileBytes& file, NodeId node, const Populate& populate,
                  bool* stopped) {
  if (mmap(at, size.rep, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file.fd,
           static_cast<off_t>(file.offset)) == MAP_FAILED) {
    return explain_no_mapping(size, errno);
  }
  if (const Error error = place(at, size, node); !error.ok()) return error;
  if (madvise(at, size.rep, MADV_DONTFORK) != 0) return explain_no_mapping(size, errno);
  if (file.transparent) madvise(at, size.rep, MADV_HUGEPAGE);
  const int error = populate_file(at, size, page_size, file, node, populate);
  return error == 0 ? Error{} : explain_not_populated(size, "a file's pages", error, stopped);
}

// fallocate() looks at the thread's policy, not at that of the mapping, where the pages are hugetlb ones.
int allocate_in_file(const FileBytes& file, Bytes size, NodeId node) {
  const ThreadOnNode here(node);
  int result = 0;
  do {
    result = fallocate(file.fd, 0, static_cast<off_t>(file.offset), static_cast<off_t>(size.rep)) == 0 ? 0 : errno;
  } while (result == EINTR);
  return result;
}

// Past the C library: the sanitizers make its mlock() do nothing.
int lock_pages(void* at, Bytes size) { return syscall(SYS_mlock, at, size.rep) == 0 ? 0 : errno; }

// ---- memory goes

bool decommit(void* at, Bytes size) {
  // One step: there is no moment at which another thread's mmap() could take the range.
  if (mmap(at, size.rep, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) return true;
  log(LogLevel::kWarning, "%s of address space at %p cannot be given back (%s); look at vm.max_map_count",
      size_text(size).text, at, std::strerror(errno));
  madvise(at, size.rep, MADV_DONTNEED);
  return false;
}

bool punch_hole(const FileBytes& file, Bytes size) {
  int result = 0;
  do {
    result = fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(file.offset),
                       static_cast<off_t>(size.rep));
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

int discard_small(void* at, Bytes size) {
  if (madvise(at, size.rep, MADV_DONTNEED) == 0) return 0;
  if (errno != EINVAL || syscall(SYS_munlock, at, size.rep) != 0) return errno;  // locked pages do not go
  return madvise(at, size.rep, MADV_DONTNEED) == 0 ? 0 : errno;
}

int discard_huge(void* at, Bytes size, Bytes page_size, NodeId node) {
  if (madvise(at, size.rep, MADV_DONTNEED) == 0) return 0;
  return errno == EINVAL ? discard_huge_by_mapping(at, size, page_size, node) : errno;
}

int discard_huge_by_mapping(void* at, Bytes size, Bytes page_size, NodeId node) {
  if (!map_huge(at, size, page_size)) return errno;
  if (const Error error = place(at, size, node); !error.ok()) log(LogLevel::kWarning, "%s", error.text);
  madvise(at, size.rep, MADV_DONTFORK);
  return 0;
}

int restore_huge(void* at, Bytes size, Bytes page_size, NodeId node, const Populate& populate) {
  const int error = populate_private(at, size, page_size, populate);
  if (error != 0) discard_huge(at, size, page_size, node);
  return error;
}

int restore_file(void* at, Bytes size, Bytes page_size, const FileBytes& file, NodeId node, const Populate& populate) {
  const int error = populate_file(at, size, page_size, file, node, populate);
  if (error != 0) punch_hole(file, size);
  return error;
}

}  // namespace fastmem
