// SPDX-License-Identifier: BSD-3-Clause
// bench/suite.h -- Q: which code runs a scenario for an Api?
#pragma once

#include <memory>

#include "bench/scenarios_footprint.h"
#include "bench/scenarios_large.h"
#include "bench/scenarios_larson.h"
#include "bench/scenarios_memory.h"
#include "bench/scenarios_pipe.h"
#include "bench/scenarios_random.h"
#include "bench/scenarios_sh8bench.h"
#include "bench/scenarios_small.h"
#include "bench/scenarios_threads.h"
#include "bench/scenarios_xmalloc.h"

namespace bench {

template <class Api>
std::unique_ptr<Scenario> make_scenario(const ScenarioInfo& info, const Plan& plan) {
  if (!Api::kAnySize && info.size == 0) return nullptr;
  const bool out_of_line = info.kind == Kind::kPairC || info.kind == Kind::kHandleC;
  const char* const why = out_of_line ? Api::OutOfLine::start(plan.setup) : Api::start(plan.setup);
  if (why != nullptr) die("cannot start", why);
  switch (info.kind) {
    case Kind::kRandom:
      return std::make_unique<RandomScenario<Api, FreeByAddress<Api>>>(info, plan.quick);
    case Kind::kRandomSized:
      return std::make_unique<RandomScenario<Api, FreeSized<Api>>>(info, plan.quick);
    case Kind::kProducerConsumer:
      return std::make_unique<PipeScenario<Api, 1>>(info, plan);
    case Kind::kProducerConsumerBulk:
      return std::make_unique<PipeScenario<Api, kBurst>>(info, plan);
    case Kind::kCircle:
      return std::make_unique<CircleScenario<Api, 1>>(info, plan);
    case Kind::kCircleBulk:
      return std::make_unique<CircleScenario<Api, kBurst>>(info, plan);
    case Kind::kThreads:
      return std::make_unique<ThreadsScenario<Api>>(info, plan);
    case Kind::kManyThreads:
      return std::make_unique<ManyThreadsScenario<Api>>(info, plan);
    case Kind::kLarson:
      return std::make_unique<LarsonScenario<Api>>(info, plan);
    case Kind::kXmalloc:
      return std::make_unique<XmallocScenario<Api>>(info, plan);
    case Kind::kSh8bench:
      return std::make_unique<Sh8benchScenario<Api>>(info, plan);
    case Kind::kLargePair:
    case Kind::kLargeSet:
      return make_large<AnySource<Api>>(info, plan.quick);
    case Kind::kFirstTouch:
      return std::make_unique<FirstTouchScenario<Api>>(info);
    case Kind::kFootprint:
      return std::make_unique<FootprintScenario<Api>>(info);
    default:
      return make_small<Api>(info, plan);
  }
}

}  // namespace bench
