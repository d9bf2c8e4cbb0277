// SPDX-License-Identifier: BSD-3-Clause
// bench/json.h -- Q: how does a program read the results?
#pragma once

#include <iosfwd>
#include <vector>

#include "bench/results.h"

namespace bench {

// A list of {scenario, allocator, cycles, ns, rss_kib, runs, spread}: medians per operation, the worker's peak resident
// memory, the number of runs, (p90 - p10) / median. threads/N adds per_core, first-touch
// p99_ns, max_ns and mean_ns; footprint rss_per_live and, of fastmem, backing_per_live; its /books metadata_percent; the random ones what the processor counted.
// What could not be measured is not in it.
void write_json(std::ostream& out, const std::vector<Row>& rows, double ticks_per_ns);

}  // namespace bench
