// SPDX-License-Identifier: BSD-3-Clause
// bench/message.h -- Q: what do the bench and its workers say to each other?
//
// One packet each way, in turn: the bench asks, the worker answers; the worker ends when the bench hangs up. Both ends
// are built from the same source.
#pragma once

#include "bench/machine.h"
#include "bench/scenario.h"

namespace bench {

enum class Request : std::uint32_t {
  kWarmUp,
  kRun,
  kIdle,  // the memory held before the first object, as Sample::grown.held
};

enum class Outcome : std::uint32_t { kDone, kUnsupported, kFailed };

struct Reply {
  Outcome outcome = Outcome::kDone;
  Sample sample;
  double spin_before = 0;  // cycles of spin(), see machine.h
  double spin_after = 0;
  double away = 0;  // part of the run without the CPU, see Presence
  Resident memory{};
  char why[200] = "";  // of kFailed
};

// A worker's command line: PROGRAM kWorkerFlag SCENARIO ALLOCATOR SOCKET QUICK PAGES
inline constexpr const char* kWorkerFlag = "--worker";

}  // namespace bench
