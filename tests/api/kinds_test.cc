// SPDX-License-Identifier: BSD-3-Clause
// Kinds of memory through both interfaces: tags, policies, limits, counts, and what is refused.
#include <doctest/doctest.h>
#include <fastmem.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <fastmem.hpp>
#include <string>
#include <vector>

#include "platform/machine_topology.h"
#include "tests/api/c_heap.h"

namespace fastmem {
namespace {

using test::error_text;
using test::kMegabyte;
using test::says;

fastmem_kind_t kind(const char* tag, unsigned flags = 0) {
  fastmem_kind_t k;
  fastmem_kind_init(&k, tag);
  k.pages = FASTMEM_PAGES_4K;
  k.flags = flags;
  return k;
}

fastmem_heap_t* create(const std::vector<fastmem_kind_t>& kinds) {
  fastmem_config_t config = test::small_config();
  config.address_space = 256 * kMegabyte;
  return fastmem_heap_create_kinds(&config, kinds.data(), static_cast<unsigned>(kinds.size()));
}

class KindsHeap {
 public:
  explicit KindsHeap(const std::vector<fastmem_kind_t>& kinds) : heap_(create(kinds)) {
    REQUIRE_MESSAGE(heap_ != nullptr, error_text());
  }
  KindsHeap(const KindsHeap&) = delete;
  KindsHeap& operator=(const KindsHeap&) = delete;
  ~KindsHeap() { fastmem_heap_destroy(heap_); }
  operator fastmem_heap_t*() const { return heap_; }  // NOLINT: stands where the heap does

  fastmem_kind_stats_t stats(int node) const {
    fastmem_kind_stats_t s = {};
    s.struct_size = sizeof(s);
    REQUIRE(fastmem_stats_kind(heap_, node, &s) == 0);
    return s;
  }

 private:
  fastmem_heap_t* heap_;
};

int place(unsigned kind_number, int machine_node) { return static_cast<int>(kind_number * 1024) + machine_node; }
int machine_node() { return machine_topology().nodes().front().id.rep; }

TEST_CASE("a tag is a node number for every function that takes one") {
  const KindsHeap heap({kind("normal"), kind("slow")});
  const int normal = fastmem_kind(heap, "normal");
  const int slow = fastmem_kind(heap, "slow");
  CHECK(normal == 1023);
  CHECK(slow == 1024 + 1023);
  CHECK(fastmem_kind(heap, "fast") == -ENOENT);
  CHECK(says(error_text(), "fast"));
  CHECK(fastmem_kind(heap, nullptr) == -ENOENT);

  void* const p = fastmem_heap_alloc_on(heap, 100, 0, 0, slow);
  REQUIRE(p != nullptr);
  CHECK(heap.stats(slow).bytes_slabs > 0);
  CHECK(heap.stats(normal).bytes_slabs == 0);
  CHECK(fastmem_heap_free(heap, p) == 0);
  void* bulk[10];
  REQUIRE(fastmem_heap_alloc_bulk(heap, bulk, 10, 5000, 0, FASTMEM_STRICT, slow) == 0);
  CHECK(fastmem_heap_free_bulk(heap, bulk, 10) == 0);
  fastmem_handle_t handle = 0;
  REQUIRE(fastmem_handle(heap, 300, 0, slow, &handle) == 0);
  void* const q = fastmem_handle_alloc(heap, handle, 0);
  CHECK(fastmem_handle_free(heap, handle, q) == 0);
  CHECK(heap.stats(normal).bytes_slabs == 0);

  CHECK(fastmem_reserve(heap, 8 * kMegabyte, slow) == 0);
  CHECK(heap.stats(slow).bytes_backing >= 8 * kMegabyte);
  fastmem_node_stats_t s = {};
  s.struct_size = sizeof(s);
  REQUIRE(fastmem_stats_node(heap, slow, &s) == 0);
  CHECK(s.bytes_backing == heap.stats(slow).bytes_backing);
  CHECK(s.node == slow);
  REQUIRE(fastmem_stats_node(heap, place(1, machine_node()), &s) == 0);
  CHECK(fastmem_set_limit(heap, 16 * kMegabyte, slow) == 0);
  CHECK(fastmem_get_limit(heap, slow) == 16 * kMegabyte);
  CHECK(fastmem_get_limit(heap, place(1, machine_node())) == 16 * kMegabyte);
  CHECK(fastmem_get_limit(heap, normal) == FASTMEM_UNLIMITED);

  for (const int nowhere : {place(2, machine_node()), place(2, 1023), place(1, 1000)}) {
    errno = 0;
    CHECK(fastmem_heap_alloc_on(heap, 100, 0, 0, nowhere) == nullptr);
    CHECK(errno == ENODEV);
    CHECK(fastmem_set_limit(heap, 1, nowhere) == -ENODEV);
    CHECK(fastmem_reserve(heap, 1, nowhere) == -ENODEV);
    CHECK(fastmem_handle(heap, 16, 0, nowhere, &handle) == -ENODEV);
    fastmem_kind_stats_t k = {};
    k.struct_size = sizeof(k);
    CHECK(fastmem_stats_kind(heap, nowhere, &k) == -EINVAL);
  }
}

TEST_CASE("policies, and what went elsewhere is counted") {
  fastmem_kind_t few = kind("few");
  few.limit = 2 * kMegabyte;
  const KindsHeap heap({kind("normal"), few, kind("named", FASTMEM_KIND_ONLY_NAMED)});
  const int tight = fastmem_kind(heap, "few");
  CHECK(fastmem_get_limit(heap, tight) == 2 * kMegabyte);
  unsigned strictly = 0;
  while (fastmem_heap_alloc_on(heap, 10'000, 0, FASTMEM_STRICT, tight) != nullptr) ++strictly;
  CHECK(errno == ENOMEM);
  CHECK(strictly > 100);
  CHECK(strictly * 10'000 <= 2 * kMegabyte);
  CHECK(heap.stats(tight).sent_elsewhere == 0);
  for (unsigned i = 0; i < 5; ++i) REQUIRE(fastmem_heap_alloc_on(heap, 10'000, 0, 0, tight) != nullptr);
  CHECK(heap.stats(tight).sent_elsewhere == 5);
  CHECK(heap.stats(fastmem_kind(heap, "normal")).served_for_others == 5);
  CHECK(heap.stats(fastmem_kind(heap, "named")).served_for_others == 0);
  fastmem_stats_reset(heap);
  CHECK(heap.stats(tight).sent_elsewhere == 0);

  // What is held serves before anything grows.
  const auto before = heap.stats(fastmem_kind(heap, "normal")).bytes_backing;
  CHECK(fastmem_heap_alloc(heap, 20'000, 0, FASTMEM_ANY_KIND) != nullptr);
  CHECK(heap.stats(fastmem_kind(heap, "normal")).bytes_backing == before);
  CHECK(heap.stats(fastmem_kind(heap, "named")).bytes_backing == 0);
}

TEST_CASE("a kind of memory that the caller brings") {
  const KindsHeap heap({kind("normal"), kind("mine", FASTMEM_KIND_BROUGHT | FASTMEM_KIND_ONLY_NAMED)});
  const int mine = fastmem_kind(heap, "mine");
  void* const memory = mmap(nullptr, 4 * kMegabyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  CHECK(fastmem_heap_alloc_on(heap, 100, 0, FASTMEM_STRICT, mine) == nullptr);
  CHECK(fastmem_heap_memory_add_on(heap, memory, 4 * kMegabyte, nullptr, 0, 4096, fastmem_kind(heap, "normal"), 0) ==
        -EPERM);
  CHECK(fastmem_heap_memory_add_on(heap, memory, 4 * kMegabyte, nullptr, 0, 4096, place(7, 0), 0) == -ENODEV);
  CHECK(fastmem_heap_memory_add_on(heap, memory, 4 * kMegabyte, nullptr, 0, 4096, mine, 64) == -EINVAL);
  REQUIRE(fastmem_heap_memory_add_on(heap, memory, 4 * kMegabyte, nullptr, 0, 4096, mine, FASTMEM_MEMORY_IOVA_VA) == 0);
  auto* const p = static_cast<char*>(fastmem_heap_alloc_on(heap, 100'000, 0, FASTMEM_STRICT, mine));
  REQUIRE(p >= static_cast<char*>(memory));
  REQUIRE(p < static_cast<char*>(memory) + 4 * kMegabyte);
  CHECK(fastmem_virt_to_iova(heap, p) == reinterpret_cast<std::uintptr_t>(p));
  void* const ordinary = fastmem_heap_alloc(heap, 100'000, 0, 0);
  CHECK((ordinary < memory || ordinary >= static_cast<char*>(memory) + 4 * kMegabyte));
  CHECK(fastmem_heap_memory_remove(heap, memory, 4 * kMegabyte) == -EBUSY);
  CHECK(fastmem_heap_free(heap, p) == 0);
  CHECK(fastmem_heap_memory_remove(heap, memory, 4 * kMegabyte) == 0);
  CHECK(fastmem_heap_memory_remove(heap, memory, 4 * kMegabyte) == -ENOENT);
  munmap(memory, 4 * kMegabyte);
}

TEST_CASE("locked, ordinary and memfd memory side by side") {
  fastmem_kind_t locked = kind("locked");
  locked.locked = 1;
  fastmem_config_t config = test::small_config();
  config.address_space = 256 * kMegabyte;
  const fastmem_kind_t kinds[] = {kind("normal"), locked};
  for (const unsigned files : {FASTMEM_FILES_NONE, FASTMEM_FILES_MEMFD}) {
    config.files = files;
    fastmem_heap_t* const heap = fastmem_heap_create_kinds(&config, kinds, 2);
    REQUIRE_MESSAGE(heap != nullptr, error_text());
    void* const p = fastmem_heap_alloc_on(heap, 1000, 0, 0, fastmem_kind(heap, "locked"));  // prefers it
    CHECK(p != nullptr);
    CHECK(fastmem_heap_free(heap, p) == 0);
    CHECK(fastmem_heap_destroy(heap) == 0);
  }
}

TEST_CASE("what is refused") {
  const auto refused = [](const std::vector<fastmem_kind_t>& kinds, int why) {
    errno = 0;
    CHECK(create(kinds) == nullptr);
    CHECK(errno == why);
    CHECK(!error_text().empty());
  };
  refused({}, EINVAL);
  refused({kind("")}, EINVAL);
  refused({kind(nullptr)}, EINVAL);
  refused({kind("sixteen letters!")}, EINVAL);
  refused({kind("a"), kind("a")}, EINVAL);
  refused({kind("a", FASTMEM_KIND_ONLY_NAMED)}, EINVAL);
  refused({kind("a", 4)}, EINVAL);
  fastmem_kind_t k = kind("a");
  k.pages = 5;
  refused({k}, EINVAL);
  k = kind("a");
  k.locked = 2;
  refused({k}, EINVAL);
  k = kind("a");
  k.node = 1000;
  refused({k}, ENODEV);
  k.node = -2;
  refused({k}, EINVAL);
  k = kind("a");
  k.struct_size = 0;
  refused({k}, EINVAL);
  k.struct_size = sizeof(k) - 8;
  refused({kind("b"), k}, EINVAL);
  CHECK(fastmem_heap_create_kinds(nullptr, nullptr, 1) == nullptr);
  CHECK(errno == EINVAL);
  fastmem_kind_init(nullptr, "x");  // does nothing
}

TEST_CASE("a heap without kinds has no tags, and kind 0 is itself") {
  const test::CHeap heap;
  CHECK(fastmem_kind(heap, "normal") == -ENOENT);
  CHECK(fastmem_heap_alloc_on(heap, 10, 0, FASTMEM_STRICT, 1023) != nullptr);
}

TEST_CASE("in C++") {
  const Kind kinds[] = {{.tag = "normal", .pages = PageKind::kSmall},
                        {.tag = "small", .pages = PageKind::kSmall, .limit = kMiB * 4}};
  Config config;
  config.iova = IovaMode::kNone;
  config.address_space = kMiB * 256;
  config.kinds = kinds;
  Result<Heap> made = Heap::create(config);
  REQUIRE_MESSAGE(made.ok(), std::string(made.ok() ? "" : made.error().text));
  Heap& heap = made.value();
  const Result<NodeId> small = heap.kind("small");
  REQUIRE(small.ok());
  CHECK(heap.kind("other").code() == ErrorCode::kNotFound);
  void* const p = heap.alloc(1000, 0, kStrict, small.value());
  REQUIRE(p != nullptr);
  CHECK(heap.kind_stats(small.value()).value().slabs > Bytes{0});
  CHECK(heap.limit(small.value()).value() == kMiB * 4);
  CHECK(heap.alloc(8 << 20, 0, kStrict, small.value()) == nullptr);
  void* const large = heap.alloc(8 << 20, 0, 0, small.value());
  CHECK(large != nullptr);
  CHECK(heap.kind_stats(small.value()).value().sent_elsewhere == 1);
  CHECK(heap.free(large) == ErrorCode::kOk);
  CHECK(heap.free(p) == ErrorCode::kOk);
  heap.check_invariants();
}

}  // namespace
}  // namespace fastmem
