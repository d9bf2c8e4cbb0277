// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/suite_fastmem.cc -- Q: what does fastmem cost as a C++ application inside EAL calls it, inlined?
#include <fastmem.hpp>
#include <fastmem_dpdk.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "bench/dpdk/first_allocation.h"
#include "bench/dpdk/suites.h"

namespace bench {
namespace {

// A heap on EAL's memory, aligned to cache lines as rte_malloc and rte_mempool do.
class EalHeap {
 public:
  EalHeap() : topology_(fastmem::make_dpdk_topology()) {
    auto backing = fastmem::make_dpdk_backing({.zone_prefix = "bench"});
    if (!backing.ok()) die("no memory from EAL", backing.error().text);
    backing_ = std::move(*backing);
    auto made = fastmem::Heap::create(
        {.default_align = RTE_CACHE_LINE_SIZE, .backing = backing_.get(), .topology = topology_.get()});
    if (!made.ok()) die("no heap", made.error().text);
    heap_.emplace(std::move(*made));
  }

  fastmem::Heap& operator*() { return *heap_; }

 private:
  std::unique_ptr<fastmem::Topology> topology_;
  std::unique_ptr<fastmem::Backing> backing_;
  std::optional<fastmem::Heap> heap_;
};

std::optional<EalHeap> g_eal_heap;
fastmem::Heap* g_heap = nullptr;  // as a program's own

void check(fastmem::ErrorCode code) {
  if (code != fastmem::ErrorCode::kOk) [[unlikely]]
    die("fastmem", fastmem::last_error().text);
}

// The heap is at hand where a mempool's caller has its pool.
struct HeapSource {
  std::size_t size;
  fastmem::Heap* heap = g_heap;
  void* alloc() const { return heap->alloc(size); }
  void free(void* p) const { heap->free(p); }
  void alloc_bulk(void** objects, std::size_t n) const { check(heap->alloc_bulk({objects, n}, size)); }
  void free_bulk(void** objects, std::size_t n) const { check(heap->free_bulk({objects, n})); }
};

struct SizedSource {
  std::size_t size;
  fastmem::Heap* heap = g_heap;
  void* alloc() const { return heap->alloc(size); }
  void free(void* p) const { heap->free(p, size); }
};

struct HandleSource {
  fastmem::Handle handle;
  fastmem::Heap* heap = g_heap;
  void* alloc() const { return heap->alloc(handle); }
  void free(void* p) const { heap->free(handle, p); }
  void alloc_bulk(void** objects, std::size_t n) const { check(heap->alloc_bulk(handle, {objects, n})); }
  void free_bulk(void** objects, std::size_t n) const { check(heap->free_bulk(handle, {objects, n})); }
};

class FreshHeap {
 public:
  FreshHeap() {
    const fastmem::Error error = (*heap_).reserve(fastmem::Bytes{kReserved});
    if (!error.ok()) die("cannot reserve", error.text);
  }
  std::vector<std::size_t> sizes() {
    std::vector<std::size_t> all;
    for (unsigned i = 0; i < (*heap_).classes(); ++i) all.push_back((*heap_).class_size(i));
    return all;
  }
  void* alloc(std::size_t size) { return (*heap_).alloc(size, kAnyAlign); }
  void free(void* p) { (*heap_).free(p); }

 private:
  EalHeap heap_;
};

}  // namespace

const Family kFastmemFamily{.start =
                                [] {
                                  g_eal_heap.emplace();
                                  g_heap = &**g_eal_heap;
                                },
                            .stop = [] { g_eal_heap.reset(); }};

std::unique_ptr<Scenario> dpdk_fastmem_suite(const ScenarioInfo& info, const Plan& plan) {
  if (info.kind == Kind::kFirstAllocation) return std::make_unique<FirstAllocationScenario<FreshHeap>>();
  if (info.kind == Kind::kPairSized) {
    return std::make_unique<SmallScenario<Pairs<SizedSource>, SizedSource>>(SizedSource{info.size}, plan.quick);
  }
  if (is_large(info)) return make_large_in_eal<HeapSource>(info, plan.quick);
  const auto handle = g_heap->handle(info.size);
  if (!handle.ok()) die("no handle", handle.error().text);
  return make_in_eal(HeapSource{info.size}, HandleSource{handle.value()}, info, plan.quick);
}

}  // namespace bench
