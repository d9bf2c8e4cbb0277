// SPDX-License-Identifier: BSD-3-Clause
// The probes that tell people about a machine: IOMMU, nodes, memory, hugetlbfs, kernel.
#include <doctest/doctest.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "platform/hugetlb_files.h"
#include "platform/iommu.h"
#include "platform/kernel_probe.h"
#include "platform/mapping_advice.h"
#include "platform/memory_room.h"
#include "platform/node_files.h"
#include "tests/support/fake_root.h"

namespace fastmem {
namespace {

using test::FakeRoot;

TEST_CASE("IOMMU: groups, their type, VFIO") {
  const FakeRoot root;
  CHECK_FALSE(read_iommu(root.path()).known);
  root.write("/sys/kernel/iommu_groups/0/type", "DMA-FQ\n");
  root.write("/sys/kernel/iommu_groups/17/type", "DMA-FQ\n");
  Iommu iommu = read_iommu(root.path());
  CHECK(iommu.known);
  CHECK(iommu.groups == 2);
  CHECK(std::string(iommu.type) == "DMA-FQ");
  CHECK_FALSE(iommu.vfio);
  root.write("/sys/kernel/iommu_groups/18/type", "identity\n");
  root.write("/dev/vfio/vfio", "");
  root.write("/dev/vfio/17", "");
  root.write("/dev/vfio/noiommu-3", "");
  root.write("/dev/vfio/devices/vfio0", "");
  root.write("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
  iommu = read_iommu(root.path());
  CHECK(std::string(iommu.type) == "mixed");
  CHECK(iommu.vfio);
  CHECK(iommu.vfio_usable);
  CHECK(iommu.vfio_groups == 2);
  CHECK(iommu.vfio_noiommu);
}

TEST_CASE("kernel versions") {
  const FakeRoot root;
  CHECK_FALSE(read_kernel_version(root.path()).known);
  root.write("/proc/sys/kernel/osrelease", "5.14.21-rt+\n");
  const KernelVersion version = read_kernel_version(root.path());
  CHECK(version.known);
  CHECK(std::string(version.release) == "5.14.21-rt+");
  CHECK(version.at_least(5, 14));
  CHECK(version.at_least(4, 99));
  CHECK_FALSE(version.at_least(5, 15));
  CHECK_FALSE(version.at_least(6, 0));
  root.write("/proc/sys/kernel/osrelease", "strange\n");
  CHECK_FALSE(read_kernel_version(root.path()).known);
}

TEST_CASE("what the running kernel says fits together") {
  const Rseq rseq = probe_rseq();
  if (rseq.registered) CHECK(rseq.system_call);
  if (rseq.mm_cid()) CHECK(rseq.node_id());
  const Membarrier barrier = probe_membarrier();
  if (barrier.error != 0) CHECK_FALSE(barrier.expedited);
  if (barrier.expedited_rseq) CHECK(barrier.expedited);
  const KernelVersion version = read_kernel_version();
  if (version.known && !version.at_least(5, 14)) CHECK_FALSE(probe_populate());
  CHECK(probe_io_uring() >= 0);
}

TEST_CASE("nodes: holes, and ones without CPUs or memory") {
  const FakeRoot root;
  CHECK(read_machine_files(root.path()).nodes.empty());
  root.write("/sys/devices/system/node/node10/cpulist", "\n");
  root.write("/sys/devices/system/node/node10/meminfo", "Node 10 MemTotal:  2048 kB\nNode 10 MemFree:  1024 kB\n");
  root.write("/sys/devices/system/node/node10/distance", "20 10\n");
  root.write("/sys/devices/system/node/node2/cpulist", "0-3\n");
  root.write("/sys/devices/system/node/has_cpu", "2\n");
  root.write("/sys/devices/system/cpu/cpufreq/boost", "1\n");
  const MachineFiles machine = read_machine_files(root.path());
  REQUIRE(machine.nodes.size() == 2);
  CHECK(machine.nodes[0].id == NodeId{2});
  CHECK(machine.nodes[0].cpus == "0-3");
  CHECK(machine.nodes[0].memory.rep == 0);
  CHECK(machine.nodes[0].distances.empty());
  CHECK(machine.nodes[1].cpus.empty());
  CHECK(machine.nodes[1].free == kMiB);
  CHECK(machine.nodes[1].distances == std::vector<unsigned>{20, 10});
  CHECK(machine.l3.empty());
}

TEST_CASE("memory to be had: what is not told is not there") {
  const FakeRoot root;
  CHECK_FALSE(read_memory_room(root.path()).available.has_value());
  CHECK_FALSE(read_memory_room(root.path()).maps.has_value());
  root.write("/proc/meminfo", "MemFree: 1 kB\nMemAvailable:   1024 kB\nCommitted_AS: 512 kB\n");
  const MemoryRoom room = read_memory_room(root.path());
  CHECK(room.available == kMiB);
  CHECK(room.committed == kKiB * 512);
  CHECK_FALSE(room.commit_limit.has_value());
  CHECK(read_memory_room().maps.value_or(0) > 5);  // this process
}

TEST_CASE("files in hugetlbfs: a lock is a use, an open file and a mapping are, too") {
  const FakeRoot root;
  root.write("/proc/self/mounts", "none /huge hugetlbfs rw,pagesize=1024M 0 0\nnone /tmp tmpfs rw 0 0\n");
  for (const char* const name : {"/huge/locked", "/huge/open", "/huge/left", "/huge/app/left", "/huge/app/deep/left"}) {
    root.write(name, "x");
  }
  std::filesystem::create_directories(root / "/proc/5/fd");
  std::filesystem::create_symlink(root / "/huge/open", root / "/proc/5/fd/0");
  root.write("/proc/5/maps", "");
  const auto mounts = read_hugetlb_mounts(root.path());
  REQUIRE(mounts.size() == 1);
  CHECK(mounts[0].page_size == kGiB);
  CHECK(mounts[0].limit == kUnlimited);
  CHECK(mounts[0].writable);

  const int fd = open((root / "/huge/locked").c_str(), O_RDONLY);
  REQUIRE(flock(fd, LOCK_SH) == 0);
  auto files = find_hugetlb_files(mounts, 100, root.path());
  close(fd);
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  REQUIRE(files.size() == 4);  // what lies deeper is not looked for
  CHECK(files[0].path == "/huge/app/left");
  CHECK(files[0].use == FileUse::kUnused);
  CHECK(files[1].use == FileUse::kUnused);
  CHECK(files[2].path == "/huge/locked");
  CHECK(files[2].use == FileUse::kUsed);
  CHECK(files[3].use == FileUse::kUsed);
  CHECK(find_hugetlb_files(mounts, 2, root.path()).size() == 2);
  std::filesystem::remove_all(root / "/proc/5");
  for (const HugetlbFile& file : find_hugetlb_files(mounts, 100, root.path())) CHECK(file.use == FileUse::kUnknown);
}

TEST_CASE("why the kernel maps nothing") {
  const std::string refused = explain_no_mapping(kMiB * 2, EACCES).text;
  CHECK(refused.find("2 MiB") != std::string::npos);
  CHECK(refused.find("ulimit -a") != std::string::npos);
  CHECK(explain_no_mapping(kMiB, ENOMEM).code == ErrorCode::kNoMemory);
  CHECK(std::string(map_count_command(65530).text) == "echo 262120 | sudo tee /proc/sys/vm/max_map_count");
}

}  // namespace
}  // namespace fastmem
