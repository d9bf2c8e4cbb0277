// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/suite_rte_fastmem.cc -- Q: what does fastmem cost through rte_fastmem.h, a function call for each?
#include <rte_fastmem.h>

#include <cstring>
#include <vector>

#include "bench/dpdk/first_allocation.h"
#include "bench/dpdk/suites.h"

namespace bench {
namespace {

void check(int result) {
  if (result != 0) [[unlikely]]
    die("rte_fastmem", std::strerror(-result));
}

struct RteSource {
  static constexpr bool kCalled = true;
  std::size_t size;
  void* alloc() const { return rte_fastmem_alloc(size, 0, 0); }
  void free(void* p) const { rte_fastmem_free(p); }
  void alloc_bulk(void** objects, unsigned n) const { check(rte_fastmem_alloc_bulk(objects, n, size, 0, 0)); }
  void free_bulk(void** objects, unsigned n) const { rte_fastmem_free_bulk(objects, n); }
};

struct RteHandleSource {
  static constexpr bool kCalled = true;
  rte_fastmem_handle_t handle;
  void* alloc() const { return rte_fastmem_halloc(handle, 0); }
  void free(void* p) const { rte_fastmem_hfree(handle, p); }
  void alloc_bulk(void** objects, unsigned n) const { check(rte_fastmem_halloc_bulk(handle, objects, n, 0)); }
  void free_bulk(void** objects, unsigned n) const { rte_fastmem_hfree_bulk(handle, objects, n); }
};

class FreshRteHeap {
 public:
  FreshRteHeap() {
    check(rte_fastmem_init());
    check(rte_fastmem_reserve(kReserved, SOCKET_ID_ANY));
  }
  ~FreshRteHeap() { rte_fastmem_deinit(); }
  FreshRteHeap(const FreshRteHeap&) = delete;
  FreshRteHeap& operator=(const FreshRteHeap&) = delete;

  std::vector<std::size_t> sizes() {
    std::vector<std::size_t> all(rte_fastmem_classes(nullptr));
    rte_fastmem_classes(all.data());
    return all;
  }
  void* alloc(std::size_t size) { return rte_fastmem_alloc(size, kAnyAlign, 0); }
  void free(void* p) { rte_fastmem_free(p); }
};

}  // namespace

const Family kRteFastmemFamily{.start = [] { check(rte_fastmem_init()); }, .stop = rte_fastmem_deinit};

std::unique_ptr<Scenario> rte_fastmem_suite(const ScenarioInfo& info, const Plan& plan) {
  if (info.kind == Kind::kFirstAllocation) return std::make_unique<FirstAllocationScenario<FreshRteHeap>>();
  if (info.kind == Kind::kLargeSet || info.size > rte_fastmem_max_size()) return nullptr;
  if (is_large(info)) return make_large_in_eal<RteSource>(info, plan.quick);
  rte_fastmem_handle_t handle = 0;
  check(rte_fastmem_hlookup(info.size, 0, SOCKET_ID_ANY, &handle));
  return make_in_eal(RteSource{info.size}, RteHandleSource{handle}, info, plan.quick);
}

}  // namespace bench
