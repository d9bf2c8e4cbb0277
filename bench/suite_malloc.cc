// SPDX-License-Identifier: BSD-3-Clause
// bench/suite_malloc.cc -- Q: what do the scenarios cost with the malloc of this process?
#include "bench/api_malloc.h"
#include "bench/suite.h"

namespace bench {

std::unique_ptr<Scenario> malloc_suite(const ScenarioInfo& info, const Plan& plan) {
  return make_scenario<MallocApi>(info, plan);
}

}  // namespace bench
