// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/suite_mempool.cc -- Q: what does rte_mempool cost, inlined and with constant numbers of objects?
#include "bench/dpdk/dpdk_catalogue.h"
#include "bench/dpdk/pools.h"
#include "bench/dpdk/suites.h"

namespace bench {
namespace {

// Its functions are inlined, so that a constant n is one in them, too.
struct PoolSource {
  rte_mempool* pool;

  [[gnu::always_inline]] void* alloc() const {
    void* p = nullptr;
    if (rte_mempool_get(pool, &p) != 0) [[unlikely]]
      die("a mempool is empty");
    return p;
  }
  [[gnu::always_inline]] void free(void* p) const { rte_mempool_put(pool, p); }
  [[gnu::always_inline]] void alloc_bulk(void** objects, unsigned n) const {
    if (rte_mempool_get_bulk(pool, objects, n) != 0) [[unlikely]]
      die("a mempool is empty");
  }
  [[gnu::always_inline]] void free_bulk(void** objects, unsigned n) const { rte_mempool_put_bulk(pool, objects, n); }
};

constexpr PoolKind kKinds[] = {{"ring_mp_mc", 512}, {"ring_mp_mc", 256}, {"ring_sp_sc", 512}, {"fastmem", 512}};
constexpr std::size_t kSingle = 2;  // index of the one whose ring two lcores must not use at once

template <std::size_t kKind>
const char* why_absent() {
  return why_no_pool(kKinds[kKind]);
}

template <std::size_t kKind>
std::unique_ptr<Scenario> pool_suite(const ScenarioInfo& info, const Plan& plan) {
  const bool many_at_each_end = info.kind == Kind::kLcorePairs || info.kind == Kind::kLcoreSets;
  if (kKind == kSingle && many_at_each_end && info.threads > 1) return nullptr;
  if (info.kind == Kind::kFirstAllocation || is_large(info)) return nullptr;
  const PoolSource source{pool_of(kKinds[kKind], info.size)};
  return make_in_eal(source, source, info, plan.quick);
}

}  // namespace

const Contestant kPoolContestants[4] = {{kPool, why_absent<0>, pool_suite<0>},
                                        {kPool256, why_absent<1>, pool_suite<1>},
                                        {kPoolSingle, why_absent<2>, pool_suite<2>},
                                        {kPoolFastmem, why_absent<3>, pool_suite<3>}};

}  // namespace bench
