// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/dpdk_drawing.h -- Q: which of the results inside EAL are drawn, and against what?
#pragma once

#include <vector>

#include "bench/drawing.h"

namespace bench {

// The yardstick is rte_mempool with a cache of 512.
Picture dpdk_picture_of(const std::vector<Row>& rows, double ticks_per_ns);

}  // namespace bench
