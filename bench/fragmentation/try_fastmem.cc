// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/try_fastmem.cc -- Q: how does fastmem stand the workload?
#include <cstdio>
#include <optional>
#include <utility>

#include "api/fastmem.h"
#include "api/fastmem.hpp"
#include "bench/fragmentation/heaps.h"
#include "bench/fragmentation/trial.h"

namespace bench {
namespace {

constexpr std::size_t kMiB = 1 << 20;

class FastmemHeap {
 public:
  explicit FastmemHeap(std::size_t bytes) {
    fastmem_set_log([](int, const char*, void*) {}, nullptr);  // refusals are counted
    auto made = fastmem::Heap::create({.pages = fastmem::PageKind::kSmall,
                                       .region_size = fastmem::Bytes{bytes},
                                       .address_space = fastmem::Bytes{bytes * 4}});
    if (!made.ok()) die("no heap", fastmem_error_text());
    heap_.emplace(std::move(*made));
    if (!heap_->reserve(fastmem::Bytes{bytes}).ok() || !heap_->set_limit(fastmem::Bytes{bytes}).ok()) {
      die("no memory", fastmem_error_text());
    }
  }

  void* alloc(std::size_t size) { return heap_->alloc(size); }
  void free(void* p) { heap_->free(p); }
  std::size_t peak_footprint() const {
    const fastmem::HeapStats stats = heap_->stats();
    return stats.backing.rep + stats.metadata.rep;
  }
  void explain(char* text, std::size_t length, std::size_t live, std::size_t largest) const {
    const fastmem::HeapStats s = heap_->stats();
    const std::size_t whole = (s.backing - s.slabs).rep;  // free pages
    const auto index = whole == 0 ? 0.0 : 1 - static_cast<double>(largest) / static_cast<double>(whole);
    std::snprintf(text, length,
                  "%zu MiB of free pages, fragmentation index %.2f; lost: rounding %.1f MiB, caches %.1f, slabs %.1f",
                  whole / kMiB, index, mib(s.in_use.rep - live), mib(s.cached.rep),
                  mib((s.slabs - s.in_use - s.cached).rep));
  }

 private:
  static double mib(std::size_t bytes) { return static_cast<double>(bytes) / static_cast<double>(kMiB); }

  std::optional<fastmem::Heap> heap_;
};

}  // namespace

FragmentationReport try_fastmem(const FragmentationJob& job) {
  Trial<FastmemHeap> trial(job);
  FastmemHeap heap(job.heap);
  return trial.run(heap);
}

}  // namespace bench
