// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/dpdk_asked.h -- Q: how fast may a DPDK application ask fastmem to be?
#pragma once

#include <vector>

#include "bench/demand.h"

namespace bench {

// In the order of the table.
const std::vector<Demand>& dpdk_demands();

}  // namespace bench
