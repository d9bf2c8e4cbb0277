// SPDX-License-Identifier: BSD-3-Clause
// No hugetlb pages, or fewer than needed: an error with cause and remedy, no signal, and nothing lost?
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/fake_root.h"
#include "tests/support/skip.h"
#include "tests/system/exhaustion.h"

namespace fastmem {
namespace {

using test::ChildResult;
using test::kHugePage;
using test::kMegabyte;

constexpr std::size_t kLeft = 8;  // pages that the heap may have

void must_work(const ChildResult& child) {
  CHECK(child.signal == 0);
  CHECK(child.text == "");
}

// ---- none at all

// The pool as this process reads it is the fake one's.
bool see_pool_of(const test::FakeRoot& root) {
  return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount((root / "/sys/kernel/mm/hugepages").c_str(), "/sys/kernel/mm/hugepages", nullptr, MS_BIND, nullptr) == 0;
}

std::string named_kind_is_refused(unsigned pages, const char* size, const char* command) {
  fastmem_config_t config = test::config_2m();
  config.pages = pages;
  errno = 0;
  if (fastmem_heap_create(&config) != nullptr) return "a heap of pages that are not there";
  if (errno != ENOTSUP) return "errno " + std::to_string(errno);
  return test::must_mention({size, "the pool is empty", command});
}

TEST_CASE("no hugetlb pages at all: the command that makes some, and auto goes on without") {
  if (geteuid() != 0) FM_SKIP("needs root, for a pool of its own");
  const test::FakeRoot root;
  root.write_pool(test::kPool2M, 0, 0);
  root.write_pool(test::kPool1G, 0, 0);
  const ChildResult child = test::run_in_child([&]() -> std::string {
    test::be_quiet();
    if (!see_pool_of(root)) return "skip";
    std::string wrong = named_kind_is_refused(FASTMEM_PAGES_2M, "2 MiB", "| sudo tee /proc/sys/vm/nr_hugepages");
    if (!wrong.empty()) return wrong;
    wrong = named_kind_is_refused(FASTMEM_PAGES_1G, "1 GiB", "hugepages-1048576kB/nr_hugepages");
    if (!wrong.empty()) return wrong;
    fastmem_config_t config = test::config_2m();
    config.pages = FASTMEM_PAGES_AUTO;
    fastmem_heap_t* const heap = fastmem_heap_create(&config);
    return heap == nullptr ? fastmem_error_text() : test::must_serve_again(heap, kMegabyte);
  });
  if (child.text == "skip") FM_SKIP("no mount namespace of its own");
  must_work(child);
}

// ---- fewer than needed

// Leaves `left` pages to the others by a promise that takes none: MAP_FAILED when there are not so many.
class Hog {
 public:
  explicit Hog(std::size_t left) {
    const std::size_t usable = read_huge_pages(kMiB * 2).usable();
    size_ = usable > left ? (usable - left) * kHugePage : 0;
    if (size_ != 0) {
      base_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    }
  }
  Hog(const Hog&) = delete;
  Hog& operator=(const Hog&) = delete;
  ~Hog() { let_go(); }

  bool worked() const { return base_ != MAP_FAILED; }
  void let_go() {
    if (size_ != 0 && worked()) munmap(base_, size_);
    size_ = 0;
  }

 private:
  void* base_ = nullptr;
  std::size_t size_ = 0;
};

using Body = std::string (*)(fastmem_heap_t* heap, Hog& hog);

void run_with_few_pages(Body body, const char*& skipped) {
  skipped = nullptr;
  const HugePages pool = read_huge_pages(kMiB * 2);
  if (pool.usable() < kLeft || pool.overcommit != 0) {
    skipped = "too few free 2 MiB hugetlb pages";
    return;
  }
  const std::size_t free_before = test::free_huge_pages();
  must_work(test::run_in_child([=]() -> std::string {
    test::be_quiet();
    Hog hog(kLeft);
    if (!hog.worked()) return "somebody else took the free 2 MiB hugetlb pages";
    const fastmem_config_t config = test::config_2m();
    fastmem_heap_t* const heap = fastmem_heap_create(&config);
    if (heap == nullptr) return fastmem_error_text();
    if (std::string wrong = body(heap, hog); !wrong.empty()) return wrong;
    return fastmem_heap_destroy(heap) == 0 ? "" : "destroy";
  }));
  CHECK(test::comes_true([=] { return test::free_huge_pages() == free_before; }));
}

#define WITH_FEW_PAGES(body)                  \
  do {                                        \
    const char* skipped = nullptr;            \
    run_with_few_pages(body, skipped);        \
    if (skipped != nullptr) FM_SKIP(skipped); \
  } while (false)

TEST_CASE("the pool ends: every object is whole, the error has the pool's numbers, and all goes back") {
  WITH_FEW_PAGES([](fastmem_heap_t* heap, Hog&) -> std::string {
    for (const std::size_t size : {std::size_t{100}, std::size_t{4096}, 65536 * std::size_t{1}, kMegabyte}) {
      const std::string wrong =
          test::fill_and_give_back(heap, size, kLeft * kHugePage / 10 * 8,
                                   {"of 2 MiB asked", "free", "reserved by others", "| sudo tee", "nr_hugepages"});
      if (!wrong.empty()) return std::to_string(size) + ": " + wrong;
    }
    return "";
  });
}

TEST_CASE("the pool ends, and is filled again: the heap goes on by itself") {
  WITH_FEW_PAGES([](fastmem_heap_t* heap, Hog& hog) -> std::string {
    std::vector<void*> objects = test::fill(heap, kMegabyte);
    for (int i = 0; i < 100; ++i) {
      if (fastmem_heap_alloc(heap, kMegabyte, 0, 0) != nullptr) return "there was more";
    }
    hog.let_go();
    if (read_huge_pages(kMiB * 2).usable() == 0) return test::give_back(heap, objects);  // the hog had none
    void* more = nullptr;
    if (!test::comes_true([&] { return (more = fastmem_heap_alloc(heap, kMegabyte, 0, 0)) != nullptr; })) {
      return std::string("no memory again: ") + fastmem_error_text();
    }
    objects.push_back(more);
    return test::give_back(heap, objects);
  });
}

TEST_CASE("the pool ends in the middle of a bulk: none of it is handed out") {
  WITH_FEW_PAGES([](fastmem_heap_t* heap, Hog&) -> std::string {
    std::vector<void*> objects(kLeft * kHugePage / 4096 + 1, heap);
    const std::vector<void*> before = objects;
    if (fastmem_heap_alloc_bulk(heap, objects.data(), objects.size(), 4096, 0, 0, FASTMEM_NODE_ANY) != -ENOMEM) {
      return "a bulk larger than the pool";
    }
    if (objects != before) return "the array was written";
    if (std::string wrong = test::must_mention({"of 2 MiB asked", "| sudo tee"}); !wrong.empty()) return wrong;
    if (std::string wrong = test::give_back(heap, {}); !wrong.empty()) return wrong;
    return test::must_serve_again(heap, 4096);
  });
}

TEST_CASE("more reserved than the pool has: what was got stays, the error says how much, trim gives it back") {
  WITH_FEW_PAGES([](fastmem_heap_t* heap, Hog&) -> std::string {
    if (fastmem_reserve(heap, 4096 * kMegabyte, FASTMEM_NODE_ANY) != -ENOMEM) return "more than the pool has";
    if (std::string wrong = test::must_mention({"4096 MiB asked", "MiB held", "| sudo tee"}); !wrong.empty())
      return wrong;
    if (test::stats_of(heap).bytes_backing != kLeft * kHugePage) return "not all of the pool";
    void* const p = fastmem_heap_alloc(heap, kMegabyte, 0, FASTMEM_ZERO);
    if (p == nullptr) return fastmem_error_text();
    return test::give_back(heap, {p});
  });
}

TEST_CASE("threads at the end of the pool: each is told, none is killed, nothing is lost") {
  WITH_FEW_PAGES([](fastmem_heap_t* heap, Hog&) -> std::string {
    constexpr unsigned kThreads = 4;
    std::string wrong[kThreads];
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < kThreads; ++t) {
      threads.emplace_back([heap, t, &wrong] {
        for (int round = 0; round < 10 && wrong[t].empty(); ++round) {
          const std::size_t size = std::size_t{4096} << (t * 2);
          const std::vector<void*> objects = test::fill(heap, size);
          if (errno != ENOMEM) wrong[t] = "errno " + std::to_string(errno);
          if (!test::is_whole(objects, size)) wrong[t] = "an object is not whole";
          if (fastmem_heap_free_bulk(heap, objects.data(), objects.size()) != 0) wrong[t] = fastmem_error_text();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& one : wrong) {
      if (!one.empty()) return one;
    }
    return test::give_back(heap, {});
  });
}

TEST_CASE("a node is full: strict names the node and its command, others stand in when they may") {
  const HugePages pool = read_huge_pages(kMiB * 2);
  unsigned with_pages = 0;
  for (unsigned i = 0; i < pool.nodes; ++i) with_pages += pool.usable(pool.of_node[i].node) >= 2 ? 1 : 0;
  if (with_pages < 2) FM_SKIP("fewer than two nodes have free 2 MiB hugetlb pages");
  if (pool.usable() > 4096 || pool.overcommit != 0) FM_SKIP("the pool is too large to be filled");
  must_work(test::run_in_child([&]() -> std::string {
    test::be_quiet();
    const fastmem_config_t config = test::config_2m();
    const test::CHeap heap(config);
    const int node = pool.of_node[pool.nodes - 1].node.rep;
    std::vector<void*> objects;
    errno = 0;
    while (void* const p = fastmem_heap_alloc_on(heap, kMegabyte, 0, FASTMEM_STRICT, node)) {
      std::memset(p, 1, kMegabyte);
      objects.push_back(p);
      errno = 0;
    }
    if (errno != ENOMEM) return "errno " + std::to_string(errno);
    const std::string name = "asked on node " + std::to_string(node);
    const std::string file = "/sys/devices/system/node/node" + std::to_string(node) + "/hugepages/";
    std::string text = test::must_mention({name.c_str(), "| sudo tee", file.c_str()});
    if (!text.empty()) return text;
    void* const elsewhere = fastmem_heap_alloc_on(heap, kMegabyte, 0, 0, node);
    if (elsewhere == nullptr) return fastmem_error_text();
    if (heap.stats().alloc_elsewhere == 0) return "not counted";
    objects.push_back(elsewhere);
    return test::give_back(heap, objects);
  }));
}

}  // namespace
}  // namespace fastmem
