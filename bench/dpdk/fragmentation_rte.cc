// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/fragmentation_rte.cc -- Q: how does rte_malloc stand the workload of bench/fragmentation?
//
// EAL without hugepages holds the heap's size and a little more, which is plugged. rte_free() clears what it frees.
#include <rte_eal.h>
#include <rte_malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/fragmentation/child.h"
#include "bench/fragmentation/trial.h"
#include "bench/machine.h"

namespace bench {
namespace {

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kForEal = 32;  // MiB

void start(std::size_t heap) {
  std::vector<std::string> words{"fragmentation_rte",
                                 "--no-huge",
                                 "--no-shconf",
                                 "--no-pci",
                                 "--no-telemetry",
                                 "--log-level=lib.eal:error",
                                 "--lcores=0@" + std::to_string(all_cpus().back()),
                                 "--file-prefix=fastmem_bench_" + std::to_string(getpid()),
                                 "-m",
                                 std::to_string(heap / kMiB + kForEal)};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  const bool started = rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
  rmdir(rte_eal_get_runtime_dir());
  if (!started) die("EAL does not start");
}

rte_malloc_socket_stats stats() {
  rte_malloc_socket_stats all{};
  rte_malloc_get_socket_stats(0, &all);
  return all;
}

class RteHeap {
 public:
  explicit RteHeap(std::size_t bytes) {
    start(bytes);
    const std::size_t free = stats().heap_freesz_bytes;
    if (free > bytes && rte_malloc(nullptr, free - bytes, 0) == nullptr) die("EAL's heap cannot be made smaller");
  }
  void* alloc(std::size_t size) { return rte_malloc(nullptr, size, 0); }
  void free(void* p) { rte_free(p); }
  std::size_t peak_footprint() const { return stats().heap_totalsz_bytes; }
  void explain(char* text, std::size_t length, std::size_t live, std::size_t) const {
    const rte_malloc_socket_stats s = stats();
    std::snprintf(text, length, "%zu MiB free in %u pieces, the largest has %zu; %zu KiB live, %zu KiB taken",
                  s.heap_freesz_bytes / kMiB, s.free_count, s.greatest_free_size / kMiB, live / 1024,
                  s.heap_allocsz_bytes / 1024);
  }
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;  // NOLINT: a program's main
  ChildCall call;
  if (!is_child(argc, argv, call)) {
    std::fprintf(stderr, "fragmentation_rte: ./run bench --fragmentation starts this program\n");
    return EXIT_FAILURE;
  }
  Trial<RteHeap> trial(call.job);
  RteHeap heap(call.job.heap);
  send_report(call, trial.run(heap));
  rte_eal_cleanup();
  return EXIT_SUCCESS;
}
