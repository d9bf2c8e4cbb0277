// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/costs.h -- Q: what has been measured on one machine that the model replays for many cores?
#pragma once

#include <istream>
#include <ostream>
#include <string>

namespace bench::scale {

// Nanoseconds, medians. "held": how long the lock is held, its taking and giving not counted.
struct Costs {
  std::string machine = "unknown machine";
  double hit = 0;         // an operation that hits, in a loop
  double lock = 0;        // a lock taken and given that nobody else wants
  double miss_alloc = 0;  // what a miss costs outside the locks
  double miss_free = 0;
  double exchange_alloc = 0;  // bin's lock held ...
  double exchange_free = 0;
  double overflow = 0;  // ... and a magazine's objects go home, freed in order ...
  double overflow_scattered = 0;
  double refill = 0;  // ... a magazine's worth from one slab
  double refill_crumbs = 0;
  double new_slab = 0;   // ... what a new slab takes on top, but for the node's lock
  double page_take = 0;  // node's lock held
  double page_give = 0;
  double line = 0;       // a line that another core of the node wrote last
  double magazine = 0;   // a magazine's lines at once, on top of the first
  double far_times = 0;  // as much for a line from another node: an assumption where there is one node only
};

// "key value" lines; # begins a comment, the first one names the machine. "" or what is wrong.
std::string read_costs(std::istream& in, Costs& costs);
void write_costs(std::ostream& out, const Costs& costs);

}  // namespace bench::scale
