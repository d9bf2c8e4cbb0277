// SPDX-License-Identifier: BSD-3-Clause
// bench/suite_fastmem.cc -- Q: what do the scenarios cost with fastmem?
#include "bench/api_fastmem.h"
#include "bench/suite.h"

namespace bench {

std::unique_ptr<Scenario> fastmem_suite(const ScenarioInfo& info, const Plan& plan) {
  return make_scenario<FastmemApi>(info, plan);
}

}  // namespace bench
