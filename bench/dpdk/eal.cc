// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "bench/dpdk/dpdk_catalogue.h"
#include "bench/machine.h"

namespace bench {
namespace {

constexpr std::uint64_t kHugepages = 320;        // 2 MiB each: what all scenarios need together, and some more
constexpr std::uint64_t kRoomyHugepages = 2880;  // with the sets of large objects
constexpr std::uint64_t kHugepageMib = 2;
constexpr const char* kPlainMemory = "1536";  // MiB; the kernel gives what is touched

bool g_roomy = false;

// Lcore 0 on the last CPU, lcore 1 on the one before, and round again: "0@1,1@0,2@1,3@0". EAL lets lcores share a CPU.
std::string lcores() {
  const std::vector<int>& cpus = all_cpus();
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(dpdk_lcores(), RTE_MAX_LCORE); ++i) {
    list += (i == 0 ? "" : ",") + std::to_string(i) + "@" + std::to_string(cpus[cpus.size() - 1 - i % cpus.size()]);
  }
  return list;
}

}  // namespace

bool eal_is_roomy() { return g_roomy; }

bool hugepages_for_eal() { return free_hugepages() >= kHugepages; }

std::string start_eal(const char* program, bool hugepages) {
  std::vector<std::string> words{program,
                                 "--lcores=" + lcores(),
                                 "--no-pci",
                                 "--no-telemetry",
                                 "--main-lcore=0",
                                 "--file-prefix=fastmem_bench_" + std::to_string(getpid()),
                                 "--log-level=lib.eal:error"};
  if (hugepages) {
    g_roomy = free_hugepages() >= kRoomyHugepages;
    words.emplace_back("--in-memory");
    words.emplace_back("-m");
    words.push_back(std::to_string((g_roomy ? kRoomyHugepages : kHugepages) * kHugepageMib));
  } else {
    for (const char* word : {"--no-huge", "--no-shconf", "-m", kPlainMemory}) words.emplace_back(word);
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  const bool started = rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
  rmdir(rte_eal_get_runtime_dir());  // empty: nothing is shared. Now, because die() does not come to stop_eal()
  if (started) return "";
  return std::string("EAL does not start: ") + rte_strerror(rte_errno) + (hugepages ? "; try --no-huge" : "");
}

void stop_eal() { rte_eal_cleanup(); }

}  // namespace bench
