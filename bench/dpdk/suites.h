// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/suites.h -- Q: which code runs a scenario for an allocator?
#pragma once

#include <memory>
#include <string>

#include "bench/dpdk/eal.h"
#include "bench/dpdk/ring_pipe.h"
#include "bench/dpdk/scenarios_lcores.h"
#include "bench/scenarios_large.h"
#include "bench/scenarios_small.h"

namespace bench {

struct Contestant {
  const char* name;
  const char* (*why_absent)();  // "": it is here
  Suite suite;                  // nullptr: cannot do this scenario
};

// After EAL's start; they begin with start() and end with stop(), which needs all scenarios gone.
struct Family {
  void (*start)();
  void (*stop)();
};
extern const Family kFastmemFamily;
extern const Family kRteFastmemFamily;

std::unique_ptr<Scenario> dpdk_fastmem_suite(const ScenarioInfo& info, const Plan& plan);
std::unique_ptr<Scenario> rte_fastmem_suite(const ScenarioInfo& info, const Plan& plan);
std::unique_ptr<Scenario> rte_malloc_suite(const ScenarioInfo& info, const Plan& plan);
extern const Contestant kPoolContestants[4];

template <template <class, bool> class Body, class Source>
std::unique_ptr<Scenario> make_lcores(Source source, const ScenarioInfo& info, bool quick) {
  if (info.threads > lcores_there()) return nullptr;
  if (info.work != 0) return std::make_unique<LcoresScenario<Body<Source, true>>>(source, info, quick);
  return std::make_unique<LcoresScenario<Body<Source, false>>>(source, info, quick);
}

// Of Sources that are made of a size. A full set of large objects wants more memory than there may be.
template <class Source>
std::unique_ptr<Scenario> make_large_in_eal(const ScenarioInfo& info, bool quick) {
  if (info.kind == Kind::kLargeSet && !quick && !eal_is_roomy()) return nullptr;
  return make_large<Source>(info, quick);
}

// Any and Fixed: an allocator for any size, and the same told the size once. Both have alloc(), free(p),
// alloc_bulk(objects, n) and free_bulk(objects, n), and are copied into the loops.
template <class Any, class Fixed>
std::unique_ptr<Scenario> make_in_eal(Any any, Fixed fixed, const ScenarioInfo& info, bool quick) {
  using Called = CalledSource<Any>;
  using FixedCalled = CalledSource<Fixed>;
  const auto pairs = [&] { return std::make_unique<SmallScenario<Pairs<Any>, Any>>(any, quick); };
  switch (info.kind) {
    case Kind::kPair:
    case Kind::kPairSized:
      return pairs();
    case Kind::kPairCalled:
      return std::make_unique<SmallScenario<Pairs<Called>, Called>>(Called(any), quick);
    case Kind::kHandle:
      return std::make_unique<SmallScenario<Pairs<Fixed>, Fixed>>(fixed, quick);
    case Kind::kHandleCalled:
      return std::make_unique<SmallScenario<Pairs<FixedCalled>, FixedCalled>>(FixedCalled(fixed), quick);
    case Kind::kBulk:
      return std::make_unique<SmallScenario<Bulks<Any>, Any>>(any, quick);
    case Kind::kHandleBulk:
      return std::make_unique<SmallScenario<Bulks<Fixed>, Fixed>>(fixed, quick);
    case Kind::kBurstLifo:
      return std::make_unique<SmallScenario<Bursts<Any, true>, Any>>(any, quick);
    case Kind::kBurstFifo:
      return std::make_unique<SmallScenario<Bursts<Any, false>, Any>>(any, quick);
    case Kind::kProducerConsumer:
      if (!two_cpus()) return nullptr;
      return std::make_unique<RingPipeScenario<Any, false>>(any, info, quick);
    case Kind::kProducerConsumerBulk:
      if (!two_cpus()) return nullptr;
      return std::make_unique<RingPipeScenario<Any, true>>(any, info, quick);
    case Kind::kLcorePairs:
      return make_lcores<PairBody>(any, info, quick);
    case Kind::kLcoreSets:
      return make_lcores<SetBody>(any, info, quick);
    case Kind::kEalLcore:
      return std::make_unique<ElsewhereScenario>(on_eal_lcore, pairs());
    case Kind::kNonEalThread:
      return std::make_unique<ElsewhereScenario>(on_non_eal_thread, pairs());
    default:
      return nullptr;
  }
}

}  // namespace bench
