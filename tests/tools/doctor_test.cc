// SPDX-License-Identifier: BSD-3-Clause
// `fastmem doctor`: does it tell what is there, what is missing, and the command that changes it, on any machine?
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/fake_root.h"
#include "tests/support/skip.h"
#include "tests/tools/programs.h"

using namespace fastmem::test;

namespace {

constexpr uid_t kNobody = 65534;

Ran doctor(const std::string& arguments) {
  const Temporary folder;
  return run(folder, program("FASTMEM") + " doctor " + arguments);
}

Ran doctor(const FakeRoot& root, const std::string& arguments = "") {
  return doctor("--root " + shell_quoted(root.path()) + " " + arguments);
}

// What a Python expression about the report says; `report` is the parsed JSON.
std::string from_json(const FakeRoot& root, const std::string& expression, const std::string& arguments = "") {
  const Temporary folder;
  const Ran ran = run(
      folder, program("FASTMEM") + " doctor --root " + shell_quoted(root.path()) + " --json " + arguments +
                  " | python3 -c " +
                  shell_quoted("import json,sys\nreport = json.load(sys.stdin)\nprint(" + expression + ", end='')"));
  CAPTURE(ran.err);
  CHECK(ran.status == 0);
  return ran.out;
}

void must_say(const Ran& ran, const std::string& part) {
  const std::string both = part + "\n" + ran.out;
  CHECK_MESSAGE(contains(ran.out, part), both);
}

void write_node(const FakeRoot& root, int id, const std::string& cpus, long total_kib, long free_kib,
                const std::string& distances) {
  const std::string directory = "/sys/devices/system/node/node" + std::to_string(id);
  const std::string number = "Node " + std::to_string(id) + " ";
  root.write(directory + "/cpulist", cpus + "\n");
  root.write(directory + "/distance", distances + "\n");
  root.write(directory + "/meminfo", number + "MemTotal:       " + std::to_string(total_kib) + " kB\n" + number +
                                         "MemFree:        " + std::to_string(free_kib) + " kB\n" + number +
                                         "Inactive(file): 1048576 kB\n");
}

// Nodes 0 and 2 with memory, 5 with CPUs only; hugetlb pages on 0 and 2; 64 GiB.
void write_machine(const FakeRoot& root) {
  root.write("/proc/meminfo",
             "MemTotal:       67108864 kB\nMemAvailable:   50331648 kB\nCommitLimit:    40000000 kB\n"
             "Committed_AS:   39000000 kB\n");
  root.write("/proc/sys/vm/overcommit_memory", "0\n");
  root.write("/proc/sys/vm/max_map_count", "65530\n");
  root.write("/proc/sys/kernel/osrelease", "5.10.0-9-amd64\n");
  root.write("/proc/self/status",
             "VmSize:\t  100000 kB\nCapEff:\t0000000000000000\nCpus_allowed_list:\t0-3,8\nMems_allowed_list:\t0,2\n");
  root.write("/proc/self/limits",
             "Limit                     Soft Limit           Hard Limit           Units     \n"
             "Max data size             unlimited            unlimited            bytes     \n"
             "Max locked memory         65536                65536                bytes     \n"
             "Max address space         unlimited            unlimited            bytes     \n");
  root.write("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  root.write_pool(kPool2M, 1000, 600, 100, 0);
  root.write_pool(node_pool_2m(0), 400, 200);
  root.write_pool(node_pool_2m(2), 600, 400);
  root.write_pool(kPool1G, 0, 0);
  write_node(root, 0, "0-3", 33554432, 25165824, "10 21 31");
  write_node(root, 2, "8-11", 33554432, 25165824, "21 10 17");
  write_node(root, 5, "12", 0, 0, "31 17 10");
  for (const char* const cpu : {"0", "1", "8"}) {
    const std::string l3 = "/sys/devices/system/cpu/cpu" + std::string(cpu) + "/cache/index3";
    root.write(l3 + "/level", "3\n");
    root.write(l3 + "/size", "32768K\n");
    root.write(l3 + "/shared_cpu_list", cpu[0] == '8' ? "8-11\n" : "0-3\n");
  }
}

void write_mounts(const FakeRoot& root) {
  root.write("/proc/self/mounts",
             "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M,size=1G 0 0\n"
             "none /mnt/my\\040huge hugetlbfs ro,relatime,pagesize=1024M 0 0\n");
  root.write("/mnt/my huge/.keep", "");
}

// A line of /proc/PID/maps that maps the file.
std::string maps_line(const std::string& file) {
  struct stat status = {};
  REQUIRE(stat(file.c_str(), &status) == 0);
  char line[200];
  std::snprintf(line, sizeof(line), "7f0000000000-7f0000200000 rw-s 00000000 %02x:%02x %lu %s\n", major(status.st_dev),
                minor(status.st_dev), static_cast<unsigned long>(status.st_ino), file.c_str());
  return line;
}

}  // namespace

TEST_CASE("this machine: it ends well, and all parts are there") {
  const Ran ran = doctor("");
  CHECK(ran.status == 0);
  CHECK(ran.err == "");
  for (const char* const part : {"hugetlb pages",
                                 "2 MiB",
                                 "1 GiB",
                                 "hugetlbfs mounts",
                                 "files left in hugetlbfs",
                                 "transparent huge pages",
                                 "vm.overcommit_memory",
                                 "RLIMIT_MEMLOCK",
                                 "RLIMIT_AS",
                                 "vm.max_map_count",
                                 "cgroup, memory",
                                 "page frame numbers",
                                 "IOMMU groups",
                                 "/dev/vfio",
                                 "IOVA mode",
                                 "rseq mm_cid",
                                 "membarrier",
                                 "io_uring",
                                 "pressure (PSI)",
                                 "distances",
                                 "L3"}) {
    must_say(ran, part);
  }
  CHECK(doctor("--need 1M").status == 0);
  const Ran far_too_much = doctor("--need 30000T");
  CHECK(far_too_much.status == 1);
  must_say(far_too_much, "no command makes memory");
}

TEST_CASE("an ordinary user gets a report, too") {
  if (geteuid() != 0) FM_SKIP("needs root, to become nobody");
  const Temporary folder;
  const std::string out = folder / "report";
  const ChildResult child = run_in_child([&]() -> std::string {
    const int self = open(program("FASTMEM").c_str(), O_RDONLY);  // nobody may not be let into its directory
    const int to = open(out.c_str(), O_WRONLY | O_CREAT, 0600);
    const rlimit none = {0, 0};
    if (self < 0 || to < 0 || setrlimit(RLIMIT_MEMLOCK, &none) != 0) return "setup";
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return "cannot become nobody";
    dup2(to, STDOUT_FILENO);
    const std::string path = "/proc/self/fd/" + std::to_string(self);
    execl(path.c_str(), "fastmem", "doctor", nullptr);
    return "cannot run it";
  });
  CHECK(child.signal == 0);
  CHECK(child.text == "");
  const Ran report{0, read_text(out), ""};
  must_say(report, "$ sudo setcap cap_sys_admin+ep");
  must_say(report, "$ sudo prlimit --pid $$ --memlock=unlimited");
}

TEST_CASE("a machine that tells nothing: unknown, and no crash") {
  const FakeRoot empty;
  const Ran ran = doctor(empty);
  CHECK(ran.status == 0);
  must_say(ran, "? 2 MiB");
  must_say(ran, "unknown");
  CHECK(from_json(empty, "report['memory']['total']['state']") == "unknown");
  CHECK(from_json(empty, "report['memory']['available']['value']") == "None");
  CHECK(from_json(empty, "{r['state'] for r in report['limits'].values()}") == "{'unknown'}");
  CHECK(from_json(empty, "{r['state'] for r in report['memory'].values()}") == "{'unknown'}");
  CHECK(doctor("--root /nonexistent/root").status == 0);
  CHECK(doctor("--root /nonexistent/root --json").status == 0);
}

TEST_CASE("files with rubbish in them") {
  const FakeRoot root;
  write_machine(root);
  const std::string rubbish = std::string("\xff\x01%s\"\\\n", 7) + std::string(5000, 'x');
  for (const char* const file :
       {"/proc/meminfo", "/proc/self/status", "/proc/self/limits", "/proc/self/mounts", "/proc/self/cgroup",
        "/proc/self/mountinfo", "/proc/sys/kernel/osrelease", "/sys/devices/system/node/node0/distance",
        "/sys/devices/system/node/node0/cpulist", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"}) {
    root.write(file, rubbish);
  }
  CHECK(doctor(root).status == 0);
  CHECK(from_json(root, "len(report) > 8") == "True");
  CHECK(doctor(root, "--need 1G").status < 2);
}

TEST_CASE("hugetlb pages of every size and node") {
  const FakeRoot root;
  write_machine(root);
  const Ran ran = doctor(root);
  must_say(ran, "total  free  reserved  surplus  overcommit");
  must_say(ran, "  on node 2");
  must_say(ran, "$ echo 1 | sudo tee /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages");
  const std::string pools = "{p['key']: p for p in report['hugetlb_pages']}";
  CHECK(from_json(root, pools + "['2m']['total']") == "1000");
  CHECK(from_json(root, pools + "['2m']['reserved']") == "100");
  CHECK(from_json(root, pools + "['2m']['for_this_process']") == "500");
  CHECK(from_json(root, pools + "['2m@2']['free']") == "400");
  CHECK(from_json(root, pools + "['1g']['state']") == "missing");
  CHECK(from_json(root, pools + "['1g']['fix']") ==
        "['echo 1 | sudo tee /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages']");

  root.write_pool(kPool2M, 1000, 100, 100);
  const Ran taken = doctor(root);
  must_say(taken, "every page is taken");
  must_say(taken, "$ echo 1064 | sudo tee /proc/sys/vm/nr_hugepages");
}

TEST_CASE("nodes, distances, caches, what this process may use") {
  const FakeRoot root;
  write_machine(root);
  CHECK(from_json(root, "[(n['key'], n['CPUs']) for n in report['nodes']]") ==
        "[('0', '0-3'), ('2', '8-11'), ('5', '12'), ('allowed', '0-3,8')]");
  CHECK(from_json(root, "report['nodes'][1]['distances']") == "[21, 10, 17]");
  CHECK(from_json(root, "report['nodes'][1]['memory']") == std::to_string(32ull << 30));
  CHECK(from_json(root, "[c['size'] for c in report['l3_caches']]") == "[33554432, 33554432]");
  must_say(doctor(root), "memory of nodes 0,2");
}

TEST_CASE("what is switched off or limited, and the commands") {
  const FakeRoot root;
  write_machine(root);
  root.write("/proc/self/cgroup", "0::/box\n");
  root.write("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.write("/sys/fs/cgroup/box/memory.max", "1073741824\n");
  root.write("/sys/fs/cgroup/box/memory.current", "1048576\n");
  root.write("/sys/fs/cgroup/box/hugetlb.2MB.max", "4194304\n");
  root.write("/sys/fs/cgroup/box/hugetlb.2MB.current", "4194304\n");
  const Ran ran = doctor(root);
  must_say(ran, "$ echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled");
  must_say(ran, "$ sudo prlimit --pid $$ --memlock=unlimited");
  must_say(ran, "1 MiB in use; /sys/fs/cgroup/box/memory.max");
  must_say(ran, "$ echo 138412032 | sudo tee /sys/fs/cgroup/box/hugetlb.2MB.max");
  CHECK_FALSE(contains(ran.out, root.path()));
  CHECK(from_json(root, "report['limits']['cgroup_memory']['value']") == "1073741824");
  CHECK(from_json(root, "report['kernel']['version']['value']") == "5.10.0-9-amd64");
  must_say(ran, "MADV_POPULATE_WRITE");
}

TEST_CASE("too many mappings") {
  const FakeRoot root;
  write_machine(root);
  root.write("/proc/sys/vm/max_map_count", "10\n");
  root.write("/proc/self/maps", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
  must_say(doctor(root), "$ echo 40 | sudo tee /proc/sys/vm/max_map_count");
}

TEST_CASE("mounts of hugetlbfs") {
  const FakeRoot root;
  write_machine(root);
  must_say(doctor(root), "mount -t hugetlbfs");
  write_mounts(root);
  root.write("/dev/hugepages/.keep", "");
  CHECK(
      from_json(root, "[(m['key'], m['page_size'], m['limit'], m['writable']) for m in report['hugetlbfs_mounts']]") ==
      "[('/dev/hugepages', 2097152, 1073741824, True), ('/mnt/my huge', 1073741824, 'unlimited', False)]");
  must_say(doctor(root), "$ sudo mount -o remount,rw $'/mnt/my huge'");
}

TEST_CASE("files that nobody uses any more") {
  const FakeRoot root;
  write_machine(root);
  write_mounts(root);
  root.write("/dev/hugepages/rtemap_0", "x");
  root.write("/dev/hugepages/rtemap_1", "x");
  root.write("/dev/hugepages/rtemap_2", "x");
  root.write("/dev/hugepages/app/bad\x1bname", "x");
  root.write("/proc/17/maps",
             "00400000-00401000 r-xp 00000000 08:01 17 /bin/true\n" + maps_line(root / "/dev/hugepages/rtemap_0"));
  std::filesystem::create_directories(root / "/proc/17/fd");
  std::filesystem::create_symlink(root / "/dev/hugepages/rtemap_1", root / "/proc/17/fd/3");
  const Ran ran = doctor(root);
  CHECK_FALSE(contains(ran.out, "rtemap_0"));
  CHECK_FALSE(contains(ran.out, "rtemap_1"));
  must_say(ran, "$ sudo rm /dev/hugepages/rtemap_2");
  must_say(ran, "$ sudo rm $'/dev/hugepages/app/bad\\x1bname'");
  CHECK(from_json(root, "len([f for f in report['hugetlbfs_files'] if f['state'] == 'missing'])") == "3");
}

TEST_CASE("a process that may not be looked into may use them") {
  const FakeRoot root;
  write_mounts(root);
  root.write("/dev/hugepages/rtemap_0", "x");
  std::filesystem::remove_all(root / "/mnt");
  const Ran none_seen = doctor(root);  // no processes in that /proc
  must_say(none_seen, "? /dev/hugepages/rtemap_0");
  CHECK_FALSE(contains(none_seen.out, "sudo rm"));
}

TEST_CASE("need: yes or no, and what would make it yes") {
  const FakeRoot root;
  write_machine(root);
  const auto pages_2m = [&](const std::string& need) { return doctor(root, "--pages 2m --need " + need); };
  CHECK(pages_2m("1000M").status == 0);  // 500 pages
  const Ran more = pages_2m("1001M");
  CHECK(more.status == 1);
  must_say(more, "501 pages needed, 600 of 1000 free, 100 promised to others");
  must_say(more, "$ echo 1001 | sudo tee /proc/sys/vm/nr_hugepages");

  CHECK(pages_2m("800M@2").status == 0);  // 400 pages
  const Ran on_node = pages_2m("1G@2");   // 512 pages; 300 free for sure
  CHECK(on_node.status == 1);
  must_say(on_node, "$ echo 812 | sudo tee /sys/devices/system/node/node2/hugepages/hugepages-2048kB/nr_hugepages");

  CHECK(doctor(root, "--need 40G").status == 0);  // small pages
  CHECK(doctor(root, "--need 40G --pages 4k").status == 0);
  const Ran thp = doctor(root, "--need 40G --pages thp");
  CHECK(thp.status == 1);
  must_say(thp, "$ echo madvise | sudo tee");
  CHECK(doctor(root, "--need 40G@0").status == 1);  // the node has 24 GiB and a GiB of files
  CHECK(doctor(root, "--need 25G@0").status == 0);
  CHECK(doctor(root, "--need 26G@0").status == 1);
  const Ran too_much = doctor(root, "--need 1T");
  CHECK(too_much.status == 1);
  must_say(too_much, "no command makes memory");
  CHECK_FALSE(contains(too_much.out, "$ "));
  CHECK(contains(doctor(root, "--need 1G@1").out, "node 1 is not there"));
  CHECK(contains(doctor(root, "--need 1G@5").out, "node 5 has no memory"));
  CHECK(doctor(root, "--need 1G@1").status == 1);
}

TEST_CASE("need: every limit in the way is named, with its command") {
  const FakeRoot root;
  write_machine(root);
  root.write("/proc/sys/vm/overcommit_memory", "2\n");
  root.write("/proc/self/limits",
             "Max data size             1073741824           unlimited            bytes     \n"
             "Max address space         2147483648           unlimited            bytes     \n");
  root.write("/proc/self/cgroup", "0::/\n");
  root.write("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.write("/sys/fs/cgroup/memory.max", "1073741824\n");
  root.write("/sys/fs/cgroup/memory.current", "4096\n");
  root.write("/sys/fs/cgroup/hugetlb.2MB.max", "4194304\n");
  root.write("/sys/fs/cgroup/hugetlb.2MB.current", "0\n");
  const Ran ran = doctor(root, "--need 4G");
  CHECK(ran.status == 1);
  must_say(ran, "$ sudo prlimit --pid $$ --as=unlimited");
  must_say(ran, "$ sudo prlimit --pid $$ --data=unlimited");
  must_say(ran, "$ echo 4294971392 | sudo tee /sys/fs/cgroup/memory.max");
  must_say(ran, "$ echo 0 | sudo tee /proc/sys/vm/overcommit_memory");
  must_say(ran, "$ echo 4294967296 | sudo tee /sys/fs/cgroup/hugetlb.2MB.max");
  must_say(ran, "$ echo 2548 | sudo tee /proc/sys/vm/nr_hugepages");
  const Temporary folder;
  const std::string command = program("FASTMEM") + " doctor --json --need 4G --root " + shell_quoted(root.path());
  const Ran parsed =
      run(folder, command + " | python3 -c 'import json,sys; print(len(json.load(sys.stdin)[\"need\"]))'");
  CHECK(parsed.out == "4\n");
}

TEST_CASE("wrong arguments: usage, and 2") {
  for (const char* const arguments :
       {"--need", "--need 0", "--need -1G", "--need 8X", "--need 8G@", "--need 8G@x", "--need 8G@99999", "--need @1",
        "--need G", "--need 99999999T", "--pages 2m", "--pages 3m --need 1G", "--root", "--fast", "doctor"}) {
    CAPTURE(arguments);
    const Ran ran = doctor(arguments);
    CHECK(ran.status == 2);
    CHECK(ran.out == "");
    CHECK(contains(ran.err, "usage: fastmem doctor"));
  }
  CHECK(doctor("--help").status == 0);
  must_say(doctor("--help"), "exit status");
}
