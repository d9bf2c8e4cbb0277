// SPDX-License-Identifier: BSD-3-Clause
// platform/kernel_probe.h -- floor 0. What does the running kernel let this process do? Asked by system calls that
// change nothing.
#pragma once

#include <cstdint>

namespace fastmem {

struct KernelVersion {
  bool known = false;
  unsigned major = 0;
  unsigned minor = 0;
  char release[128] = {};

  bool at_least(unsigned a, unsigned b) const { return major > a || (major == a && minor >= b); }
};
// `root` is put before every path, for tests.
KernelVersion read_kernel_version(const char* root = "");

struct Rseq {
  bool system_call = false;   // the kernel has it
  bool registered = false;    // by the C library, for every thread
  unsigned library_size = 0;  // bytes of it that the C library says are there
  unsigned kernel_size = 0;   // AT_RSEQ_FEATURE_SIZE: bytes that the kernel fills in; 0: it does not tell
  bool node_id() const { return kernel_size >= 24; }
  bool mm_cid() const { return kernel_size >= 28; }
};
Rseq probe_rseq();

struct Membarrier {
  int error = 0;  // errno of the query; 0: it works
  bool expedited = false;
  bool expedited_rseq = false;
};
Membarrier probe_membarrier();

// 0: a ring can be made; else the errno that stops it: ENOSYS (no such call), EPERM (forbidden).
int probe_io_uring();

// Whether MADV_POPULATE_WRITE is there (5.14): hugetlb pages are else proved present by mlock().
bool probe_populate();

// Whether this process may wait for memory pressure (PSI). `root` is put before every path, for tests.
enum class Psi : std::uint8_t { kAbsent, kReadable, kTriggers };
Psi read_psi(const char* root = "");

}  // namespace fastmem
