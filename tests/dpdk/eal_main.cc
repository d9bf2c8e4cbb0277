// SPDX-License-Identifier: BSD-3-Clause
#include "tests/dpdk/eal_main.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_memzone.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "platform/pages.h"

// The listener of tests/support/doctest_main.cc serves this main(), too.
#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/support/doctest_main.cc"  // NOLINT(bugprone-suspicious-include)

namespace fastmem::test {
namespace {

std::string g_arguments;
std::string g_hugetlbfs;

std::string value_of(int argc, char** argv, const std::string& option) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], option.c_str(), option.size()) == 0) return argv[i] + option.size();
  }
  return "";
}

std::string prefix() { return "fastmem_test_" + std::to_string(getpid()); }

// Files in hugetlbfs, for EAL without --in-memory: a mount that only this process sees, and that goes with it.
std::string own_hugetlbfs() {
  const char* const temporary = std::getenv("TEST_TMPDIR");
  const std::string folder =
      std::string(temporary != nullptr ? temporary : "/tmp") + "/huge_" + std::to_string(getpid());
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const bool mounted = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       mount("none", folder.c_str(), "hugetlbfs", 0, "pagesize=2M") == 0;
  if (mounted) g_hugetlbfs = folder;
  return g_hugetlbfs;
}

// Returns 0, or the rte_errno.
int start_eal(const char* program, const std::string& more) {
  std::vector<std::string> words{program};
  std::istringstream in(g_arguments + more + " --file-prefix=" + prefix() + " --log-level=lib.eal:warning");
  for (std::string word; in >> word;) words.push_back(word);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0 ? rte_errno : 0;
}

void clean_up() {
  rte_eal_cleanup();
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::string root = getuid() == 0 ? "/var/run" : runtime != nullptr ? runtime : "/tmp";
  std::error_code ignored;
  std::filesystem::remove_all(root + "/dpdk/" + prefix(), ignored);
  if (g_hugetlbfs.empty()) return;
  umount2(g_hugetlbfs.c_str(), MNT_DETACH);
  std::filesystem::remove(g_hugetlbfs, ignored);
}

int skip_program(const std::string& reason) {
  const char* const target = std::getenv("TEST_TARGET");
  const std::string label = target != nullptr ? target : "program";
  std::printf("[skipped] %s: %s\n", label.substr(label.rfind(':') + 1).c_str(), reason.c_str());
  return 0;
}

}  // namespace

const std::string& eal_arguments() { return g_arguments; }
bool eal_has(const char* argument) { return g_arguments.find(argument) != std::string::npos; }

bool on_worker_lcore(const std::function<void()>& body) {
  const unsigned worker = rte_get_next_lcore(-1, 1, 0);
  if (worker >= RTE_MAX_LCORE) return false;
  struct Job {
    const std::function<void()>& body;
    std::atomic<bool> done{false};  // EAL waits, too, but in code that the thread sanitizer does not see
  };
  Job job{body};
  const auto run = [](void* arg) {
    auto* const the_job = static_cast<Job*>(arg);
    the_job->body();
    the_job->done.store(true, std::memory_order_release);
    return 0;
  };
  rte_eal_remote_launch(run, &job, worker);
  rte_eal_wait_lcore(worker);
  while (!job.done.load(std::memory_order_acquire)) {
  }
  return true;
}

void on_plain_thread(const std::function<void()>& body) { std::thread(body).join(); }

bool eal_has_run_of(Bytes size) {
  if (!eal_has("--legacy-mem")) return true;
  rte_malloc_socket_stats stats{};
  rte_malloc_get_socket_stats(static_cast<int>(rte_socket_id_by_idx(0)), &stats);
  return stats.greatest_free_size >= size.rep;
}

unsigned memzones_named(const char* name) {
  std::pair<const char*, unsigned> found{name, 0};
  rte_memzone_walk(
      [](const rte_memzone* zone, void* arg) {
        auto* const f = static_cast<std::pair<const char*, unsigned>*>(arg);
        if (std::strncmp(zone->name, f->first, std::strlen(f->first)) == 0) ++f->second;
      },
      &found);
  return found.second;
}

}  // namespace fastmem::test

int main(int argc, char** argv) {
  using namespace fastmem;        // NOLINT: a test's main
  using namespace fastmem::test;  // NOLINT
  g_arguments = value_of(argc, argv, "--eal=");
  const std::size_t hugepages = std::strtoul(value_of(argc, argv, "--hugepages=").c_str(), nullptr, 10);
  if (hugepages > 0 && read_huge_pages(kMiB * 2).usable() < hugepages) {
    return skip_program("fewer than " + std::to_string(hugepages) + " free 2 MiB hugepages");
  }
  if (eal_has("--iova-mode=pa") && getuid() != 0) return skip_program("physical addresses take root");
  if (hugepages > 0 && getuid() != 0) return skip_program("EAL's hugepages take root");
  std::string more;
  if (hugepages > 0 && !eal_has("--in-memory")) {
    const std::string folder = own_hugetlbfs();
    if (folder.empty()) return skip_program("no hugetlbfs can be mounted");
    more = " --huge-dir=" + folder;
  }
  if (const int error = start_eal(argv[0], more); error != 0) {
    clean_up();
    std::printf("EAL does not start with %s: %s\n", g_arguments.c_str(), rte_strerror(error));
    return 1;
  }
  const int result = doctest::Context(argc, argv).run();
  clean_up();
  return result;
}
