// SPDX-License-Identifier: BSD-3-Clause
// bench/catalogue.cc -- Q: which scenarios are there, and how fast is fastmem asked to be in each?
#include "bench/catalogue.h"

#include <algorithm>
#include <iterator>
#include <regex>
#include <utility>

namespace bench {
namespace {

constexpr std::size_t kSizes[] = {8, 64, 256, 1024, 4096, 65536};
constexpr std::size_t kCalledSizes[] = {64, 256, 1024};  // where the ways to call are compared
constexpr std::size_t kAskedUpTo = 4096;                 // pair: larger sizes are shown, not judged

constexpr Asked kPairAsked{.of_glibc = 0.5, .of_best = 0.8};
constexpr Asked kBurstAsked{.of_glibc = {}, .of_best = 0.9};
constexpr Asked kHandleAsked{.of_glibc = {}, .of_best = 0.4};
constexpr Asked kFasterThanAll{.of_glibc = {}, .of_best = 1.0, .less_than = true};
constexpr Asked kLargeSetAsked{.of_glibc = {}, .of_best = 0.9};
constexpr Asked kFootprintAsked{.of_glibc = 1.05, .of_best = 1.0, .glibc_apart = true};
constexpr Asked kPipeAsked{.of_glibc = {}, .of_best = 0.6};
constexpr Asked kThreadsAsked{.of_glibc = {}, .of_best = 1.0, .less_than = true, .per_core = 0.9};
constexpr Asked kNothingAsked{};

// Sets so large take long, and one run of them is millions of operations: a few runs tell.
constexpr std::size_t kHugeSet = 10'000'000;
constexpr std::size_t kHugeSetLargest = 512;  // of its uniform sizes, for memory's sake
constexpr int kHugeSetRuns = 3;

std::string short_count(std::size_t n) {
  return n % 1'000'000 == 0 ? std::to_string(n / 1'000'000) + "M" : std::to_string(n / 1'000) + "k";
}

void add_random_large(std::vector<ScenarioInfo>& all) {
  for (const auto& [family, kind] :
       {std::pair{"random-large/", Kind::kRandom}, std::pair{"random-large-sized/", Kind::kRandomSized}}) {
    for (std::size_t live : {std::size_t{1'000'000}, kHugeSet}) {
      all.push_back({.name = family + short_count(live),
                     .kind = kind,
                     .live = live,
                     .asked = kLargeSetAsked,
                     .largest = live == kHugeSet ? kHugeSetLargest : kLargest,
                     .runs_at_most = live == kHugeSet ? kHugeSetRuns : 0});
    }
  }
}

void add_large(std::vector<ScenarioInfo>& all) {
  constexpr Asked kAsTheBest{.of_glibc = {}, .of_best = 1.0};
  for (std::size_t mib : {2, 64}) {
    all.push_back({.name = "large/" + std::to_string(mib) + "M",
                   .kind = Kind::kLargePair,
                   .size = mib << 20,
                   .asked = kAsTheBest});
  }
  all.push_back({.name = "large-random", .kind = Kind::kLargeSet, .live = kLargeLive, .asked = kAsTheBest});
}

void add_footprints(std::vector<ScenarioInfo>& all) {
  for (const auto& [name, mix] : {std::pair{"uniform/", Mix::kUniform}, std::pair{"power-law/", Mix::kPowerLaw},
                                  std::pair{"traced/", Mix::kTraced}}) {
    for (std::size_t live : {std::size_t{1'000}, std::size_t{100'000}, kHugeSet}) {
      all.push_back({.name = std::string("footprint/") + name + short_count(live),
                     .kind = Kind::kFootprint,
                     .live = live,
                     .asked = kFootprintAsked,
                     .fresh = true,
                     .judge_memory = true,
                     .mix = mix,
                     .largest = live == kHugeSet ? kHugeSetLargest : kLargest,
                     .runs_at_most = kHugeSetRuns});
    }
  }
}

constexpr unsigned kMostThreads = 8;  // four times the CPUs of a small machine
// Few enough for a CPU's own caches: filling those again after each time slice is the machine's cost, not an allocator's.
constexpr std::size_t kLivePerThread = 1'000;

// Objects that change threads, one by one and in bulks.
void add_pipes(std::vector<ScenarioInfo>& all) {
  const auto add = [&](const char* name, Kind kind, unsigned producers, unsigned threads) {
    all.push_back(
        {.name = name, .kind = kind, .size = 256, .threads = threads, .producers = producers, .asked = kPipeAsked});
  };
  add("pipe/1-1", Kind::kProducerConsumer, 1, 2);
  add("pipe/1-3", Kind::kProducerConsumer, 1, 4);
  add("pipe/3-1", Kind::kProducerConsumer, 3, 4);
  add("pipe/ring4", Kind::kCircle, 4, 4);
  add("pipe32/1-1", Kind::kProducerConsumerBulk, 1, 2);
  add("pipe32/1-3", Kind::kProducerConsumerBulk, 1, 4);
  add("pipe32/3-1", Kind::kProducerConsumerBulk, 3, 4);
  add("pipe32/ring4", Kind::kCircleBulk, 4, 4);
}

void add_threads(std::vector<ScenarioInfo>& all) {
  for (unsigned threads = 1; threads <= kMostThreads; threads *= 2) {
    all.push_back({.name = "threads/" + std::to_string(threads),
                   .kind = Kind::kThreads,
                   .live = kLivePerThread,
                   .threads = threads,
                   .asked = threads > 1 ? kThreadsAsked : kNothingAsked});
  }
  all.push_back({.name = "many-threads",
                 .kind = Kind::kManyThreads,
                 .live = kLivePerThread,
                 .threads = 64,
                 .asked = kFasterThanAll});
  const auto add_pattern = [&](const char* family, Kind kind, std::size_t live) {
    for (unsigned threads : {2u, 4u}) {
      all.push_back({.name = std::string(family) + "/" + std::to_string(threads),
                     .kind = kind,
                     .live = live,
                     .threads = threads,
                     .asked = kFasterThanAll});
    }
  };
  add_pattern("larson", Kind::kLarson, 5'000);
  add_pattern("xmalloc", Kind::kXmalloc, 0);
  add_pattern("sh8bench", Kind::kSh8bench, 0);
}

std::vector<ScenarioInfo> make_catalogue() {
  std::vector<ScenarioInfo> all;
  const auto each = [&](const auto& sizes, const char* family, Kind kind, const Asked& asked) {
    for (std::size_t size : sizes) {
      all.push_back({.name = std::string(family) + "/" + std::to_string(size),
                     .kind = kind,
                     .size = size,
                     .asked = kind == Kind::kPair && size > kAskedUpTo ? kNothingAsked : asked});
    }
  };
  const auto each_size = [&](const char* family, Kind kind, const Asked& asked) { each(kSizes, family, kind, asked); };
  const auto each_called = [&](const char* family, Kind kind) { each(kCalledSizes, family, kind, kNothingAsked); };
  each_size("pair", Kind::kPair, kPairAsked);
  each_size("pair-c", Kind::kPairC, kNothingAsked);
  each_called("pair-called", Kind::kPairCalled);
  each_called("pair-plugin", Kind::kPairPlugin);
  each_called("plugin-called", Kind::kPluginCalled);
  each_size("burst32-lifo", Kind::kBurstLifo, kBurstAsked);
  each_size("burst32-fifo", Kind::kBurstFifo, kBurstAsked);
  each_size("bulk32", Kind::kBulk, kNothingAsked);
  each_size("handle", Kind::kHandle, kHandleAsked);
  each_called("handle-c", Kind::kHandleC);
  each_called("handle-called", Kind::kHandleCalled);
  all.push_back({.name = "random-small", .kind = Kind::kRandom, .live = 10'000, .asked = kFasterThanAll});
  add_random_large(all);
  add_large(all);
  add_pipes(all);
  add_threads(all);
  all.push_back({.name = "first-touch", .kind = Kind::kFirstTouch, .size = 4096, .fresh = true});
  add_footprints(all);
  return all;
}

}  // namespace

const std::vector<ScenarioInfo>& catalogue() {
  static const std::vector<ScenarioInfo> all = make_catalogue();
  return all;
}

std::vector<ScenarioInfo> select_scenarios(const std::string& filter) { return select_scenarios(catalogue(), filter); }

std::vector<ScenarioInfo> select_scenarios(const std::vector<ScenarioInfo>& all, const std::string& filter) {
  std::optional<std::regex> pattern;
  try {
    pattern.emplace(filter);
  } catch (const std::regex_error&) {  // then it is a substring only
  }
  std::vector<ScenarioInfo> chosen;
  std::copy_if(all.begin(), all.end(), std::back_inserter(chosen), [&](const ScenarioInfo& scenario) {
    return scenario.name.find(filter) != std::string::npos || (pattern && std::regex_search(scenario.name, *pattern));
  });
  return chosen;
}

const ScenarioInfo* find_scenario(const std::string& name) {
  const auto found =
      std::find_if(catalogue().begin(), catalogue().end(), [&](const auto& scenario) { return scenario.name == name; });
  return found == catalogue().end() ? nullptr : &*found;
}

}  // namespace bench
