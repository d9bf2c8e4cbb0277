// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/memory_use.h"

#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace fastmem::tools {
namespace {

std::uint64_t field(const char* status, const char* name) {
  const char* const at = std::strstr(status, name);
  return at == nullptr ? 0 : std::strtoull(at + std::strlen(name), nullptr, 10) * 1024;
}

// Sanitizers surround globals with memory that must not be read; it may be here.
[[gnu::no_sanitize_address]] int read_code(dl_phdr_info* info, std::size_t /*bytes*/, void* /*context*/) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_R) == 0) continue;
    const auto* const first = reinterpret_cast<const volatile char*>(info->dlpi_addr + part.p_vaddr);
    for (std::size_t at = 0; at < part.p_memsz; at += 4096) static_cast<void>(first[at]);
  }
  return 0;
}

}  // namespace

MemoryUse memory_use() {
  char status[8192];
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  const ssize_t got = read(file, status, sizeof(status) - 1);
  close(file);
  status[got < 0 ? 0 : got] = '\0';
  const std::uint64_t hugetlb = field(status, "HugetlbPages:");
  return {.resident = field(status, "VmRSS:") + hugetlb, .peak_resident = field(status, "VmHWM:"), .hugetlb = hugetlb};
}

void settle_memory() {
  dl_iterate_phdr(read_code, nullptr);
  const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  [[maybe_unused]] const ssize_t written = write(file, "5", 1);
  close(file);
}

}  // namespace fastmem::tools
