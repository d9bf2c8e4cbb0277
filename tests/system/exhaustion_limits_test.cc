// SPDX-License-Identifier: BSD-3-Clause
// The limits of a process, one by one: address space, data, locked memory, mappings, open files, the heap's own. Is each
// an error that names it and what helps, and is all well again when the shortage ends?
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "backends/standalone/iova.h"
#include "platform/memory_room.h"
#include "tests/support/child_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/skip.h"
#include "tests/system/exhaustion.h"

namespace fastmem {
namespace {

using test::ChildResult;
using test::kMegabyte;
using test::limit_to;

constexpr uid_t kNobody = 65534;

void must_work(const ChildResult& child) {
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

// ---- the heap's own

TEST_CASE("the address space that was configured is used up") {
  must_work(test::run_in_child([]() -> std::string {
    fastmem_config_t config = test::small_config();
    config.address_space = 64 * kMegabyte;
    const test::CHeap heap(config);
    std::string wrong =
        test::fill_and_give_back(heap, 65536, 60 * kMegabyte, {"64 MiB of address space", "larger address_space"});
    if (!wrong.empty()) return wrong;
    if (fastmem_reserve(heap, 65 * kMegabyte, FASTMEM_NODE_ANY) != -ENOMEM) return "reserved more than there is";
    if (std::string text = test::must_mention({"65 MiB asked", "larger address_space"}); !text.empty()) return text;
    return test::must_serve_again(heap, kMegabyte);
  }));
}

TEST_CASE("the limit of a node is reached, and raised") {
  must_work(test::run_in_child([]() -> std::string {
    const test::CHeap heap;
    const int node = test::some_node(heap);
    if (fastmem_set_limit(heap, 16 * kMegabyte, node) != 0) return "set_limit";
    const std::string name = "the limit of node " + std::to_string(node) + " is reached";
    const std::vector<void*> objects = test::fill(heap, 65536);
    if (errno != ENOMEM) return "errno " + std::to_string(errno);
    std::string text = test::must_mention({name.c_str(), "the limit is 16384 KiB", "raise the limit"});
    if (!text.empty()) return text;
    if (!test::is_whole(objects, 65536)) return "an object is not whole";
    if (fastmem_set_limit(heap, 32 * kMegabyte, node) != 0) return "set_limit";
    void* const more = heap.alloc(65536);  // at once: nobody waits for the heap to ask again
    if (more == nullptr) return fastmem_error_text();
    if (heap.free(more) != 0) return "free";
    return test::give_back(heap, objects);
  }));
}

// ---- address space

TEST_CASE("RLIMIT_AS reached: a heap that is there has its space, another is refused, and made when there is room") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's shadow memory does not fit a limit on address space");
  must_work(test::run_in_child([]() -> std::string {
    fastmem_config_t config = test::small_config();
    config.address_space = 64 * kMegabyte;
    const test::CHeap heap(config);
    if (heap.alloc(100) == nullptr) return fastmem_error_text();  // what this thread needs for itself is there
    if (!limit_to(RLIMIT_AS, (test::status_kib("VmSize") + 2048) * 1024)) return "cannot limit the address space";
    std::vector<void*> objects(500);
    if (fastmem_heap_alloc_bulk(heap, objects.data(), 500, 65536, 0, 0, FASTMEM_NODE_ANY) != 0)
      return fastmem_error_text();
    errno = 0;
    if (fastmem_heap_create(&config) != nullptr) return "a heap beyond the limit";
    if (errno != ENOMEM) return "errno " + std::to_string(errno);
    if (std::string text = test::must_mention({"address space", "ulimit -v"}); !text.empty()) return text;
    if (!limit_to(RLIMIT_AS, RLIM_INFINITY)) return "cannot raise the limit";
    fastmem_heap_t* const other = fastmem_heap_create(&config);
    if (other == nullptr) return fastmem_error_text();
    if (fastmem_heap_destroy(other) != 0) return "destroy";
    return heap.free_all(objects) == 0 ? "" : "free";
  }));
}

// ---- data

TEST_CASE("RLIMIT_DATA is named, and nothing is lost by it") {
  if (test::kShadowMemory) FM_SKIP("a sanitizer's shadow memory counts as data");
  must_work(test::run_in_child([]() -> std::string {
    test::be_quiet();
    const test::CHeap heap;
    std::vector<void*> objects;
    objects.reserve(1 << 16);  // not from the little that is left
    if (heap.alloc(100) == nullptr) return fastmem_error_text();
    if (!limit_to(RLIMIT_DATA, (test::status_kib("VmData") + 20 * 1024) * 1024)) return "cannot limit data";
    errno = 0;
    while (void* const p = heap.alloc(65536)) {
      objects.push_back(p);
      errno = 0;
    }
    if (errno != ENOMEM) return "errno " + std::to_string(errno);
    if (objects.size() < 100) return "only " + std::to_string(objects.size()) + " objects";
    std::string text = test::must_mention({"RLIMIT_DATA is", "sudo prlimit --pid $$ --data=unlimited"});
    if (!text.empty()) return text;
    if (!limit_to(RLIMIT_DATA, RLIM_INFINITY)) return "cannot raise the limit";
    void* more = nullptr;
    if (!test::comes_true([&] { return (more = heap.alloc(kMegabyte)) != nullptr; })) return fastmem_error_text();
    objects.push_back(more);
    return heap.free_all(objects) == 0 && heap.stats().bytes_in_use == 112 ? "" : "free";
  }));
}

// ---- mappings

TEST_CASE("vm.max_map_count is named, and nothing is lost by it") {
  const MemoryRoom room = read_memory_room();
  if (!room.max_maps || *room.max_maps > 200'000) FM_SKIP("vm.max_map_count is too large to be reached");
  if (test::kShadowMemory) FM_SKIP("a sanitizer needs mappings itself");
  must_work(test::run_in_child([]() -> std::string {
    test::be_quiet();
    const test::CHeap heap;
    // Every other page has other rights: each is a mapping of its own.
    const std::size_t size = 4096 * 2 * (*read_memory_room().max_maps + 10);
    auto* const base = static_cast<char*>(mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base == MAP_FAILED) return "mmap";
    std::size_t at = 0;
    while (at < size && mprotect(base + at, 4096, PROT_READ) == 0) at += 8192;
    if (at == size) return "the limit was not met";
    errno = 0;
    if (heap.alloc(100) != nullptr) return "a region without a mapping";
    if (errno != ENOMEM) return "errno " + std::to_string(errno);
    std::string text = test::must_mention({"vm.max_map_count allows", "| sudo tee /proc/sys/vm/max_map_count"});
    if (!text.empty()) return text;
    munmap(base, size);
    return test::must_serve_again(heap, kMegabyte);
  }));
}

// ---- locked memory

// An ordinary user who is told frame numbers, and nothing else.
bool become_nobody_with(unsigned capability) {
  if (prctl(PR_SET_KEEPCAPS, 1) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0) return false;
  prctl(PR_SET_DUMPABLE, 1);  // or /proc/self is root's
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = 1U << capability;
  return syscall(SYS_capset, &header, data) == 0;
}

TEST_CASE("RLIMIT_MEMLOCK, physical addresses and an ordinary user") {
  if (geteuid() != 0) FM_SKIP("needs root, to give rights up");
  if (!check_frames_readable().ok()) FM_SKIP("page frame numbers are not told");
  const ChildResult child = test::run_in_child([]() -> std::string {
    test::be_quiet();
    rlimit limits = {};
    getrlimit(RLIMIT_MEMLOCK, &limits);
    const bool raisable = limits.rlim_max >= 4 * kMegabyte;
    if (!limit_to(RLIMIT_MEMLOCK, kMegabyte)) return "cannot limit locked memory";
    if (!become_nobody_with(CAP_SYS_ADMIN)) return "cannot become nobody";
    if (!check_frames_readable().ok()) return "skip";
    fastmem_config_t config = test::small_config();
    config.iova_mode = FASTMEM_IOVA_PA;
    const test::CHeap heap(config);
    errno = 0;
    if (heap.alloc(100) != nullptr) return "2 MiB locked beyond the limit";
    if (errno != ENOMEM) return "errno " + std::to_string(errno);
    std::string text = test::must_mention({"RLIMIT_MEMLOCK is 1 MiB", "ulimit -l unlimited"});
    if (!text.empty()) return text;
    if (heap.stats().bytes_backing != 0 || test::status_kib("VmLck") != 0) return "something is held";
    if (!raisable) return "";
    if (!limit_to(RLIMIT_MEMLOCK, 4 * kMegabyte)) return "cannot raise the limit";
    if (std::string wrong = test::must_serve_again(heap, kMegabyte); !wrong.empty()) return wrong;
    return test::status_kib("VmLck") == 0 ? "" : "locked memory is left";
  });
  if (child.text == "skip") FM_SKIP("page frame numbers are not told to nobody with CAP_SYS_ADMIN");
  must_work(child);
}

TEST_CASE("an ordinary user who asks for physical addresses is told what it takes") {
  if (geteuid() != 0) FM_SKIP("needs root, to give rights up");
  must_work(test::run_in_child([]() -> std::string {
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return "cannot become nobody";
    fastmem_config_t config = test::small_config();
    config.iova_mode = FASTMEM_IOVA_PA;
    errno = 0;
    if (fastmem_heap_create(&config) != nullptr) return "physical addresses without the right";
    if (errno != ENOTSUP && errno != EPERM) return "errno " + std::to_string(errno);
    return test::must_mention({"CAP_SYS_ADMIN", "setcap", "IOVA mode va"});
  }));
}

// ---- open files

TEST_CASE("no file left to open is named, not a missing right or kernel") {
  must_work(test::run_in_child([]() -> std::string {
    test::be_quiet();
    if (!limit_to(RLIMIT_NOFILE, 40)) return "cannot limit files";
    std::vector<int> files;
    for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) files.push_back(fd);
    const bool sized = access("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK) == 0;
    const fastmem_config_t huge = test::config_2m();
    if (fastmem_heap_create(&huge) != nullptr) return "hugetlb pages without a look at the pool";
    if (std::string text = test::must_mention({"ulimit -n"}); sized && !text.empty()) return text;
    fastmem_config_t physical = test::small_config();
    physical.iova_mode = FASTMEM_IOVA_PA;
    if (fastmem_heap_create(&physical) != nullptr) return "physical addresses without a file";
    if (std::string text = test::must_mention({"no file left to open", "ulimit -n"}); !text.empty()) return text;
    const test::CHeap heap;  // what needs no file works
    if (std::string wrong = test::must_serve_again(heap, kMegabyte); !wrong.empty()) return wrong;
    for (const int fd : files) close(fd);
    return "";
  }));
}

}  // namespace
}  // namespace fastmem
