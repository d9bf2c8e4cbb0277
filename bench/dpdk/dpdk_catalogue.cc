// SPDX-License-Identifier: BSD-3-Clause
#include "bench/dpdk/dpdk_catalogue.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace bench {
namespace {

constexpr std::size_t kSizes[] = {64, 256, 1024, 2048};
constexpr std::pair<const char*, std::size_t> kUntouched[] = {
    {"untouched/64", 64},      {"untouched/4K", 4 << 10},   {"untouched/256K", 256 << 10},
    {"untouched/2M", 2 << 20}, {"untouched/16M", 16 << 20}, {"untouched/64M", 64 << 20}};
constexpr std::size_t kPlainSize = 256;
constexpr std::size_t kLive = 512;  // per lcore; see kObjectsPerLcore in pools.cc
constexpr unsigned kLcoresPerCpu = 4;
constexpr unsigned kMostLcores = 128;  // Debian's RTE_MAX_LCORE

void add_lcores(std::vector<ScenarioInfo>& all, const std::string& family, Kind kind, unsigned work) {
  for (unsigned lcores = 1; lcores <= dpdk_lcores(); lcores *= 2) {
    all.push_back({.name = family + "/" + std::to_string(lcores),
                   .kind = kind,
                   .size = kPlainSize,
                   .live = kind == Kind::kLcoreSets ? kLive : 0,
                   .threads = lcores,
                   .work = work});
  }
}

std::vector<ScenarioInfo> make_catalogue() {
  std::vector<ScenarioInfo> all;
  const auto each_size = [&](const char* family, Kind kind) {
    for (std::size_t size : kSizes) {
      all.push_back({.name = std::string(family) + "/" + std::to_string(size), .kind = kind, .size = size});
    }
  };
  each_size("pair", Kind::kPair);
  all.push_back({.name = "pair-called", .kind = Kind::kPairCalled, .size = kPlainSize});
  all.push_back({.name = "handle-called", .kind = Kind::kHandleCalled, .size = kPlainSize});
  all.push_back({.name = "pair-sized", .kind = Kind::kPairSized, .size = kPlainSize});
  each_size("handle", Kind::kHandle);
  each_size("bulk32", Kind::kBulk);
  all.push_back({.name = "handle-bulk32", .kind = Kind::kHandleBulk, .size = kPlainSize});
  all.push_back({.name = "burst32-lifo", .kind = Kind::kBurstLifo, .size = kPlainSize});
  all.push_back({.name = "burst32-fifo", .kind = Kind::kBurstFifo, .size = kPlainSize});
  for (const auto& [name, size] : kUntouched) all.push_back({.name = name, .kind = Kind::kLargePair, .size = size});
  all.push_back({.name = "large-random", .kind = Kind::kLargeSet, .live = kLargeLive});
  all.push_back({.name = "producer-consumer", .kind = Kind::kProducerConsumer, .size = kPlainSize, .threads = 2});
  all.push_back({.name = "producer-consumer32", .kind = Kind::kProducerConsumerBulk, .size = kPlainSize, .threads = 2});
  add_lcores(all, "lcores", Kind::kLcorePairs, 0);
  add_lcores(all, "lcores-work", Kind::kLcorePairs, kWork);
  add_lcores(all, "lcores-set", Kind::kLcoreSets, 0);
  add_lcores(all, "lcores-set-work", Kind::kLcoreSets, kWork);
  all.push_back({.name = "eal-lcore", .kind = Kind::kEalLcore, .size = kPlainSize});
  all.push_back({.name = "non-eal-thread", .kind = Kind::kNonEalThread, .size = kPlainSize});
  all.push_back({.name = "first-allocation", .kind = Kind::kFirstAllocation, .fresh = true});
  return all;
}

}  // namespace

unsigned dpdk_lcores() {
  return std::min(kLcoresPerCpu * std::max(std::thread::hardware_concurrency(), 1u), kMostLcores);
}

const std::vector<std::string>& dpdk_allocators() {
  static const std::vector<std::string> all{kFastmem,    kRteFastmem,  kPool,     kPool256,
                                            kPoolSingle, kPoolFastmem, kRteMalloc};
  return all;
}

const std::vector<ScenarioInfo>& dpdk_catalogue() {
  static const std::vector<ScenarioInfo> all = make_catalogue();
  return all;
}

}  // namespace bench
