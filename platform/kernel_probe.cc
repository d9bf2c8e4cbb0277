// SPDX-License-Identifier: BSD-3-Clause
#include "platform/kernel_probe.h"

#include <linux/membarrier.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "platform/text_file.h"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

// glibc 2.35 and later.
extern "C" {
[[gnu::weak]] extern const std::ptrdiff_t __rseq_offset;
[[gnu::weak]] extern const unsigned int __rseq_size;
}

namespace fastmem {

KernelVersion read_kernel_version(const char* root) {
  KernelVersion version;
  if (!read_text(FilePath("%s/proc/sys/kernel/osrelease", root), version.release, sizeof(version.release))) {
    return version;
  }
  version.release[std::strcspn(version.release, "\n")] = '\0';
  version.known = std::sscanf(version.release, "%u.%u", &version.major, &version.minor) == 2;
  return version;
}

Rseq probe_rseq() {
  Rseq rseq;
  // Registering nothing is refused by a kernel that has the call, with another error than by one that has not.
  errno = 0;
  rseq.system_call = syscall(SYS_rseq, nullptr, 0, 0, 0) == 0 || errno != ENOSYS;
  rseq.kernel_size = static_cast<unsigned>(getauxval(AT_RSEQ_FEATURE_SIZE));
  if (&__rseq_size != nullptr && &__rseq_offset != nullptr) {
    rseq.library_size = __rseq_size;
    rseq.registered = __rseq_size != 0;
  }
  return rseq;
}

Membarrier probe_membarrier() {
  Membarrier barrier;
  const long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  if (commands < 0) {
    barrier.error = errno;
    return barrier;
  }
  constexpr long kExpeditedRseq = 1L << 7;  // MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 5.10
  barrier.expedited = (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0;
  barrier.expedited_rseq = (commands & kExpeditedRseq) != 0;
  return barrier;
}

int probe_io_uring() {
  // No parameters: EFAULT from whoever may make a ring.
  if (syscall(SYS_io_uring_setup, 1, nullptr) >= 0 || errno == EFAULT) return 0;
  return errno;
}

bool probe_populate() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const p = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return false;
  const bool there = madvise(p, page, MADV_POPULATE_WRITE) == 0;
  munmap(p, page);
  return there;
}

Psi read_psi(const char* root) {
  const FilePath file("%s/proc/pressure/memory", root);
  char text[64];
  if (!read_text(file, text, sizeof(text)) || text[0] == '\0') return Psi::kAbsent;
  return access(file.c_str(), W_OK) == 0 ? Psi::kTriggers : Psi::kReadable;
}

}  // namespace fastmem
