// SPDX-License-Identifier: BSD-3-Clause
// bench/demand.h -- Q: does a figure keep to a bound that another figure sets?
//
// The other figure may be of another scenario, of another allocator, or of both. What a scenario asks of its own row
// against the others' best is Asked, see catalogue.h and verdict.h.
#pragma once

#include <string>
#include <vector>

#include "bench/results.h"

namespace bench {

struct Demand {
  enum class Unit {
    kRatio,        // at most `bound` times the other figure
    kCyclesMore,   // at most `bound` cycles more than it
    kNanoseconds,  // the slowest operation takes at most `bound` ns; there is no other figure
  };

  std::string scenario;
  std::string of_scenario;   // "": the same one
  std::string of_allocator;  // "": the allocator itself
  double bound;
  Unit unit = Unit::kRatio;
  std::string only = {};  // the one allocator of which it is asked; "": of every one

  std::string text() const;  // "pair/64 of pool/512"
};

struct Finding {
  enum class Answer { kMet, kShort, kUnknown, kNotAsked };
  double figure = 0;  // what `bound` is compared with
  Answer answer = Answer::kUnknown;
};

// Of the medians. kUnknown: not both were measured. kNotAsked: of another allocator only.
Finding judge(const Demand& demand, const std::string& allocator, const std::vector<Row>& rows, double ticks_per_ns);

// Those about scenarios that are among the rows.
std::vector<Demand> demands_on(const std::vector<Demand>& all, const std::vector<Row>& rows);

}  // namespace bench
