// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/suite_rte_malloc.cc -- Q: what does rte_malloc cost?
#include <rte_malloc.h>

#include "bench/dpdk/suites.h"

namespace bench {
namespace {

struct RteMallocSource {
  static constexpr bool kCalled = true;
  std::size_t size;

  void* alloc() const {
    void* const p = rte_malloc(nullptr, size, 0);
    if (p == nullptr) [[unlikely]]
      die("rte_malloc: out of memory");
    return p;
  }
  void free(void* p) const { rte_free(p); }
  void alloc_bulk(void** objects, std::size_t n) const {
    for (std::size_t i = 0; i < n; ++i) objects[i] = alloc();
  }
  void free_bulk(void** objects, std::size_t n) const {
    for (std::size_t i = 0; i < n; ++i) free(objects[i]);
  }
};

}  // namespace

std::unique_ptr<Scenario> rte_malloc_suite(const ScenarioInfo& info, const Plan& plan) {
  if (is_large(info)) return make_large_in_eal<RteMallocSource>(info, plan.quick);
  const RteMallocSource source{info.size};
  return make_in_eal(source, source, info, plan.quick);
}

}  // namespace bench
