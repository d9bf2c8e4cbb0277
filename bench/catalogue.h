// SPDX-License-Identifier: BSD-3-Clause
// bench/catalogue.h -- Q: which scenarios are there, and how fast is fastmem asked to be in each?
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace bench {

inline constexpr std::size_t kSmallest = 16;
inline constexpr std::size_t kLargest = 2048;
inline constexpr std::size_t kBurst = 32;
inline constexpr std::size_t kLargeLive = 200;  // objects of 1 .. 16 MiB: 1.7 GiB

enum class Kind {
  kPair,
  kPairC,         // the same through the C interface, out of line
  kPairCalled,    // through functions that are not inlined, whatever the allocator offers
  kPairPlugin,    // through the C interface of a shared library that is loaded late, by pointers
  kPluginCalled,  // the C++ core's functions in such a library
  kBurstLifo,
  kBurstFifo,
  kBulk,
  kHandle,
  kHandleC,
  kHandleCalled,
  kRandom,
  kRandomSized,  // free is told the size
  kProducerConsumer,
  kProducerConsumerBulk,
  kCircle,  // of threads, each the consumer of the one before it
  kCircleBulk,
  kThreads,
  kManyThreads,
  kLarson,
  kXmalloc,
  kSh8bench,
  kFirstTouch,
  kFootprint,
  kLargePair,  // objects of whole pages, untouched, see scenarios_large.h
  kLargeSet,
  kBooks,  // footprint's own row of fastmem's metadata, see footprint_rows.h
  // The DPDK bench's own, see bench/dpdk/:
  kPairSized,  // free is told the size, where it takes one
  kHandleBulk,
  kLcorePairs,
  kLcoreSets,
  kEalLcore,
  kNonEalThread,
  kFirstAllocation,
};

// At most these parts of what the others need; less_than: the bound itself is not enough. per_core: at least this part
// of its own throughput with one thread, for each CPU that the threads have.
struct Asked {
  std::optional<double> of_glibc = {};
  std::optional<double> of_best = {};
  bool less_than = false;
  bool glibc_apart = false;            // glibc is none of "the others" that the best is of
  std::optional<double> at_most = {};  // of fastmem's figure itself
  std::optional<double> per_core = {};
};

// See size_mix.h.
enum class Mix { kUniform, kPowerLaw, kTraced };

struct ScenarioInfo {
  std::string name;
  Kind kind;
  std::size_t size = 0;  // of every object; 0: kSmallest .. kLargest at random
  std::size_t live = 0;  // objects at any time, per thread, where it matters
  unsigned threads = 1;
  unsigned producers = 1;  // of the threads, where the others are consumers
  Asked asked = {};
  bool fresh = false;         // every run in a process of its own
  bool judge_memory = false;  // by resident bytes per live byte, not by time
  unsigned work = 0;          // cycles of something else before every operation
  Mix mix = Mix::kUniform;
  std::size_t largest = kLargest;  // of uniform random sizes
  int runs_at_most = 0;            // 0: as many as asked for

  bool one_thread() const { return threads == 1 && kind != Kind::kProducerConsumer; }
};

// All of them, in the order of the table.
const std::vector<ScenarioInfo>& catalogue();

// Those whose name contains the filter or matches it as a regular expression; an empty filter takes all.
std::vector<ScenarioInfo> select_scenarios(const std::string& filter);
std::vector<ScenarioInfo> select_scenarios(const std::vector<ScenarioInfo>& all, const std::string& filter);

// nullptr: no such scenario.
const ScenarioInfo* find_scenario(const std::string& name);

}  // namespace bench
