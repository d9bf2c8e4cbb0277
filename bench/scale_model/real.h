// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/real.h -- Q: what do the model's workloads cost on this machine, with threads and fastmem?
#pragma once

#include "bench/scale_model/replay.h"

namespace bench::scale {

// A core's nanoseconds for an allocation and a free of one object, the least of several runs; threads pinned, a CPU for
// each. Objects are not touched, as in the model. kSets is the general bench's threads/N.
double run_real(const Workload& workload, unsigned threads, bool quick);

}  // namespace bench::scale
