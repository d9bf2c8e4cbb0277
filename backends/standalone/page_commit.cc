// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/page_commit.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "platform/log.h"
#include "platform/mapping_advice.h"
#include "platform/node_binding.h"
#include "platform/page_advice.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
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

// Every page present, or an errno. The kernel answers EFAULT where a touch would raise SIGBUS.
int populate(void* at, Bytes size) {
  int result = 0;
  do {
    result = madvise(at, size.rep, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
  } while (result == EAGAIN || result == EINTR);
  if (result != EINVAL) return result;
  result = lock_pages(at, size);  // kernels before 5.14
  munlock(at, size.rep);
  return result;
}

}  // namespace

Error commit_huge(void* at, Bytes size, Bytes page_size, NodeId node) {
  // Not reserving: a mapping that reserves can fail after the old one is gone, leaving a hole. What proves that the
  // pages are there is populate(), which a per-node shortage and a cgroup limit cannot deceive as they do a
  // reservation.
  const int size_flag = std::countr_zero(page_size.rep) << MAP_HUGE_SHIFT;
  void* const p = mmap(at, size.rep, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE | MAP_FIXED | size_flag, -1, 0);
  if (p == MAP_FAILED) return explain_no_mapping(size, errno);
  if (const Error error = place(at, size, node); !error.ok()) return error;
  if (madvise(at, size.rep, MADV_DONTFORK) != 0) return explain_no_mapping(size, errno);
  if (const int error = populate(at, size); error != 0) {
    return make_error(ErrorCode::kNoMemory, "no %s of hugetlb pages (%s)", size_text(size).text, std::strerror(error));
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

// Past the C library: the sanitizers make its mlock() do nothing.
int lock_pages(void* at, Bytes size) { return syscall(SYS_mlock, at, size.rep) == 0 ? 0 : errno; }

bool decommit(void* at, Bytes size) {
  // One step: there is no moment at which another thread's mmap() could take the range.
  if (mmap(at, size.rep, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) return true;
  log(LogLevel::kWarning, "%s of address space at %p cannot be given back (%s); look at vm.max_map_count",
      size_text(size).text, at, std::strerror(errno));
  madvise(at, size.rep, MADV_DONTNEED);
  return false;
}

}  // namespace fastmem
