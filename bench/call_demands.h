// SPDX-License-Identifier: BSD-3-Clause
// bench/call_demands.h -- Q: what may a call of fastmem's C functions cost above one of the C++ core's?
#pragma once

#include <vector>

#include "bench/demand.h"

namespace bench {

// In the order of the table; all of fastmem.
const std::vector<Demand>& call_demands();

// A line for each that is about one of the rows.
void print_call_demands(const std::vector<Row>& rows);

}  // namespace bench
