// SPDX-License-Identifier: BSD-3-Clause
// bench/machine.cc -- Q: which CPUs and how much memory does this process have, and is the machine quiet?
#include "bench/machine.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "bench/clock.h"

namespace bench {
namespace {

// The number behind "Key:" in a file of such lines; 0 when it is not there. Allocates nothing that stays.
std::uint64_t field(const char* path, const char* key) {
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) return 0;
  char line[512];
  std::uint64_t value = 0;
  const std::size_t length = std::strlen(key);
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, key, length) == 0 && line[length] == ':') {
      value = std::strtoull(line + length + 1, nullptr, 10);
      break;
    }
  }
  std::fclose(file);
  return value;
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void set_affinity(const cpu_set_t& set) {
  if (sched_setaffinity(0, sizeof set, &set) != 0) std::perror("bench: sched_setaffinity");
}

std::int64_t now_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// What /proc/cpuinfo says of the first processor; "": nothing.
std::string of_processor(const char* key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with(key) && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

clockid_t cpu_clock(Presence::Of of) {
  return of == Presence::Of::kThread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID;
}

}  // namespace

const std::vector<int>& all_cpus() {
  static const std::vector<int> cpus = allowed_cpus();
  return cpus;
}

void pin(int cpu) { pin(std::vector<int>{cpu}); }

void pin(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu : cpus) CPU_SET(cpu, &set);
  set_affinity(set);
}

Resident resident() {
  const std::uint64_t hugetlb = field("/proc/self/status", "HugetlbPages");
  return {.now_kib = field("/proc/self/status", "VmRSS") + hugetlb,
          .peak_kib = field("/proc/self/status", "VmHWM") + hugetlb,
          .hugetlb_kib = hugetlb,
          .thp_kib = field("/proc/self/smaps_rollup", "AnonHugePages")};
}

std::uint64_t available_memory_kib() { return field("/proc/meminfo", "MemAvailable"); }

std::uint64_t free_hugepages() {
  std::ifstream file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
  std::uint64_t pages = 0;
  file >> pages;
  return pages;
}

std::string processor_vendor() { return of_processor("vendor_id"); }

std::string processor() {
  const std::string model = of_processor("model name");
  return (model.empty() ? "unknown processor" : model) + ", " + std::to_string(std::thread::hardware_concurrency()) +
         " CPUs";
}

std::string transparent_huge_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  std::getline(file, line);
  const auto open = line.find('[');
  const auto close = line.find(']');
  if (open == std::string::npos || close == std::string::npos) return "not there";
  return line.substr(open + 1, close - open - 1);
}

double spin() {
  constexpr int kSteps = 40000;
  std::uint64_t x = 1;
  const std::uint64_t begin = ticks();
  for (int i = 0; i < kSteps; ++i) {
    x *= 0x9e3779b97f4a7c15u;
    asm volatile("" : "+r"(x));
  }
  return static_cast<double>(ticks() - begin);
}

Presence::Presence(Of of) : of_(of), cpu_ns_(now_ns(cpu_clock(of))), wall_ns_(now_ns(CLOCK_MONOTONIC)) {}

double Presence::away() const {
  const auto wall = static_cast<double>(now_ns(CLOCK_MONOTONIC) - wall_ns_);
  const auto cpu = static_cast<double>(now_ns(cpu_clock(of_)) - cpu_ns_);
  return wall > cpu ? (wall - cpu) / wall : 0;
}

std::uint64_t queued_ns() {
  const int file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[96];  // "RUN QUEUED SLICES"
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  text[std::max<ssize_t>(length, 0)] = '\0';
  const char* const second = std::strchr(text, ' ');
  return second == nullptr ? 0 : std::strtoull(second, nullptr, 10);
}

void* map_books(std::size_t bytes) {
  void* books = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (books == MAP_FAILED) {
    std::perror("bench: mmap");
    std::exit(EXIT_FAILURE);
  }
  madvise(books, bytes, MADV_HUGEPAGE);
  std::memset(books, 0, bytes);
  return books;
}

void unmap_books(void* books, std::size_t bytes) { munmap(books, bytes); }

}  // namespace bench
