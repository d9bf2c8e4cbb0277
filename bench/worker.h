// SPDX-License-Identifier: BSD-3-Clause
// bench/worker.h -- Q: how does one allocator run one scenario, when told to?
#pragma once

#include <string>

#include "bench/scenario.h"

namespace bench {

// The Api behind a name; nullptr: not in this program.
using SuiteOf = Suite (*)(const std::string& allocator);

// Whether the command line is a worker's, see message.h.
bool is_worker(int argc, char** argv);

// Serves requests until the bench hangs up. Returns the exit status.
int worker_main(int argc, char** argv, SuiteOf suite_of);

}  // namespace bench
