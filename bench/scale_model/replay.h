// SPDX-License-Identifier: BSD-3-Clause
// bench/scale_model/replay.h -- Q: how fast do so many cores allocate and free, at the costs measured on a few?
//
// What is replayed is what core/slot.cc and core/bin.cc do: two magazines for each core and bin; a depot that lends
// young magazines only to those who filled them, and sends the oldest one's objects home when it is full; slabs that
// are refilled from, made, and given back under the node's lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "bench/scale_model/costs.h"
#include "bench/scale_model/engine.h"

namespace bench::scale {

enum class Pattern : std::uint8_t {
  kChurn,   // bursts of allocations and then frees of a core's own objects
  kPairs,   // one core allocates, its neighbour frees, every object crosses
  kRemote,  // what a core allocated, another one, chosen at random, frees
  kSets,    // random objects of a core's own set are replaced by others of random size
};

struct Workload {
  std::string name;
  Pattern pattern;
  unsigned burst = 1024;   // objects allocated, then freed; what crosses, crosses in batches of so many
  unsigned calm = 0;       // operations after each burst that all hit
  bool scattered = false;  // objects come home to many slabs, and are taken from many
  double app_ns = 0;       // of an allocation and its free: the program's own work
};

struct Shape {
  unsigned cores;
  unsigned nodes;  // with the same number of cores each
};

// What a bin's lock is held for.
enum class Held : std::uint8_t { kExchange, kSlabs, kOverflow, kCount };

struct Outcome {
  double ns_per_object = 0;  // of one core: an allocation and a free of one object
  double misses = 0;         // that came to a bin, of all operations
  // The busiest lock of each kind, part of the time.
  double bin_busy = 0;
  double bin_moving = 0;  // of that: its lines were on their way from one core to the next
  double node_busy = 0;
  // Of all cores' time:
  double waiting = 0;  // for locks
  double moving = 0;   // for lines that another core had, under locks or not
  // Of the time that bins' locks are held, the moving of their lines left out.
  std::array<double, static_cast<std::size_t>(Held::kCount)> held = {};
};

inline constexpr unsigned kBatchesBetween = 8;  // of a pair

Outcome replay(const Workload& workload, Shape shape, const Costs& costs, std::uint64_t seed = 1);

}  // namespace bench::scale
