// SPDX-License-Identifier: BSD-3-Clause
// What does the kernel let this process do?
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "platform/kernel_probe.h"
#include "platform/text_file.h"
#include "tools/doctor/findings.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

void add_version(const Patient& patient, Section& section) {
  const KernelVersion version = read_kernel_version(patient.root.c_str());
  Row& row = section.add("version", "version", version.release[0] == '\0' ? unknown() : words(version.release));
  if (!version.known) {
    row.state = State::kUnknown;
  } else if (!version.at_least(5, 14)) {
    row.why = "5.14 proves hugetlb pages present by MADV_POPULATE_WRITE; before, mlock() does, more slowly";
  } else if (!version.at_least(6, 3)) {
    row.why = "6.3 numbers a process's running threads (mm_cid); here the CPU's number serves";
  }
}

void add_missing(Section& section, const char* key, const char* name, bool there, const char* why,
                 const char* fix = nullptr) {
  Row& row = section.add(key, name, yes_no(there));
  if (there) return;
  row.state = State::kMissing;
  row.why = why;
  if (fix != nullptr) row.fixes.emplace_back(fix);
}

void add_rseq(Section& section) {
  const Rseq rseq = probe_rseq();
  if (!rseq.system_call) {
    add_missing(section, "rseq", "rseq registered by the C library", false, "the kernel has no rseq(2)");
  } else {
    add_missing(section, "rseq", "rseq registered by the C library", rseq.registered,
                "glibc 2.35 and later do, unless GLIBC_TUNABLES forbids it",
                std::getenv("GLIBC_TUNABLES") != nullptr ? "unset GLIBC_TUNABLES" : nullptr);
  }
  section.add("rseq_library_size", "rseq bytes, C library", count(rseq.library_size));
  section.add("rseq_kernel_size", "rseq bytes, kernel", count(rseq.kernel_size)).why =
      rseq.kernel_size == 0 ? "no AT_RSEQ_FEATURE_SIZE: before 6.3" : "";
  section.add("rseq_node_id", "rseq node_id", yes_no(rseq.node_id()));
  section.add("rseq_mm_cid", "rseq mm_cid", yes_no(rseq.mm_cid()));
}

void add_membarrier(Section& section) {
  const Membarrier barrier = probe_membarrier();
  const char* const why = barrier.error == EPERM ? "forbidden, by seccomp it seems: memory in other threads' caches "
                                                   "stays there; docker run --security-opt seccomp=unconfined"
                                                 : "not in this kernel: memory in other threads' caches stays there";
  add_missing(section, "membarrier", "membarrier, expedited", barrier.expedited, why);
  section.add("membarrier_rseq", "membarrier for rseq", yes_no(barrier.expedited_rseq));
}

void add_io_uring(const Patient& patient, Section& section) {
  const int error = probe_io_uring();
  Row& row = section.add("io_uring", "io_uring", yes_no(error == 0));
  if (error == 0) return;
  row.state = State::kMissing;
  const auto disabled = read_number(FilePath("%s/proc/sys/kernel/io_uring_disabled", patient.root.c_str()));
  if (disabled.value_or(0) != 0) {
    row.why = "switched off on this machine";
    row.fixes.emplace_back("echo 0 | sudo tee /proc/sys/kernel/io_uring_disabled");
  } else if (error == ENOSYS) {
    row.why = "not in this kernel";
  } else {
    row.why =
        format("refused (%s), by seccomp it seems: docker run --security-opt seccomp=unconfined", std::strerror(error));
  }
}

void add_psi(const Patient& patient, Section& section) {
  const Psi psi = read_psi(patient.root.c_str());
  static const char* const kNames[] = {"no", "to read", "to read and to wait for"};
  Row& row = section.add("psi", "pressure (PSI)", words(kNames[static_cast<unsigned>(psi)]));
  if (psi == Psi::kTriggers) return;
  row.state = State::kMissing;
  if (psi == Psi::kAbsent) {
    row.why = "no /proc/pressure/memory: the kernel is built without, or boot with psi=1";
    row.fixes.emplace_back("sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&psi=1 /' /etc/default/grub && sudo update-grub");
  } else {
    row.why = "this user may not write /proc/pressure/memory";
  }
}

}  // namespace

Section find_kernel(const Patient& patient) {
  Section section{"kernel", "kernel", {}, {}};
  add_version(patient, section);
  if (patient.is_here()) {
    add_missing(section, "populate", "MADV_POPULATE_WRITE", probe_populate(), "mlock() stands in for it");
    add_rseq(section);
    add_membarrier(section);
    add_io_uring(patient, section);
  } else {  // system calls tell of the machine they run on
    for (const auto& [key, name] : {std::pair{"populate", "MADV_POPULATE_WRITE"},
                                    {"rseq", "rseq registered by the C library"},
                                    {"membarrier", "membarrier, expedited"},
                                    {"io_uring", "io_uring"}}) {
      section.add(key, name, unknown()).state = State::kUnknown;
    }
  }
  add_psi(patient, section);
  return section;
}

}  // namespace fastmem::tools
