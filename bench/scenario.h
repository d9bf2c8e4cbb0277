// SPDX-License-Identifier: BSD-3-Clause
// bench/scenario.h -- Q: what does a worker run, and what does it measure?
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "bench/catalogue.h"
#include "bench/counter_reading.h"
#include "bench/footprint.h"

namespace bench {

// What an Api needs to know before the first allocation.
struct Setup {
  std::size_t size = 0;  // of every object; 0: any
  unsigned threads = 1;
  std::uint32_t pages = 0;  // enum fastmem_pages; only fastmem reads it
};

struct Plan {
  Setup setup;
  bool quick = false;
};

// One run. Plain data: it crosses a socket. Cycles are those of the time-stamp counter.
struct Sample {
  double cycles = 0;      // per operation: an allocation and its free, of one object
  double p99_cycles = 0;  // first-touch only
  double max_cycles = 0;
  double mean_cycles = 0;
  Footprint grown = {};  // footprint only
  Footprint freed = {};
  CounterReading counters = {};
};

// Built and warmed up once per process, then run several times. Failures end the process with die().
class Scenario {
 public:
  virtual ~Scenario() = default;
  virtual void warm_up() = 0;
  virtual Sample run() = 0;
};

// "why: detail", to the bench or, without one, to the terminal. Allocates nothing.
[[noreturn]] void die(const char* why, const char* detail = "");

// One per Api: makes the scenario for it; nullptr when this Api cannot do it.
using Suite = std::unique_ptr<Scenario> (*)(const ScenarioInfo&, const Plan&);
std::unique_ptr<Scenario> malloc_suite(const ScenarioInfo& info, const Plan& plan);
std::unique_ptr<Scenario> fastmem_suite(const ScenarioInfo& info, const Plan& plan);

}  // namespace bench
