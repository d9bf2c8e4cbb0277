// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/try_malloc.cc -- Q: how does the malloc of this process stand the workload?
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "bench/fragmentation/heaps.h"
#include "bench/fragmentation/trial.h"

namespace bench {
namespace {

// VmSize or VmPeak of this process, in bytes. The malloc may be at its limit: nothing here needs it.
std::size_t address_space(const char* which) {
  static char text[8192];
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t n = read(file, text, sizeof text - 1);
  close(file);
  text[n > 0 ? n : 0] = '\0';
  const char* const at = std::strstr(text, which);
  return at == nullptr ? 0 : std::strtoull(at + std::strlen(which) + 1, nullptr, 10) << 10;
}

class MallocHeap {
 public:
  explicit MallocHeap(std::size_t bytes) : before_(address_space("VmSize")) {
    const rlimit most{before_ + bytes, before_ + bytes};
    if (setrlimit(RLIMIT_AS, &most) != 0) die("no limit on address space");
  }
  void* alloc(std::size_t size) { return std::malloc(size); }
  void free(void* p) { std::free(p); }
  std::size_t peak_footprint() const {
    const std::size_t peak = address_space("VmPeak");
    return peak - std::min(peak, before_);
  }
  void explain(char* text, std::size_t, std::size_t, std::size_t) { *text = '\0'; }

 private:
  std::size_t before_;
};

}  // namespace

FragmentationReport try_malloc(const FragmentationJob& job, bool no_mmap) {
  if (no_mmap) {
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, -1);  // never
  }
  Trial<MallocHeap> trial(job);
  MallocHeap heap(job.heap);
  return trial.run(heap);
}

}  // namespace bench
