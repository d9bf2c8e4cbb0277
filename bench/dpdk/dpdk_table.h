// SPDX-License-Identifier: BSD-3-Clause
// bench/dpdk/dpdk_table.h -- Q: how does a person read the results of the bench inside EAL?
#pragma once

#include <vector>

#include "bench/results.h"

namespace bench {

// Cycles and spread of every allocator, on 120 columns.
void print_dpdk_table(const std::vector<Row>& rows, double ticks_per_ns);

// What is asked, and what fastmem and its rte_fastmem face do. Demands on scenarios that are not there are left out.
void print_demands(const std::vector<Row>& rows, double ticks_per_ns);

}  // namespace bench
