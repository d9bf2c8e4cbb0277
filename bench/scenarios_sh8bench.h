// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_sh8bench.h -- Q: what does an object cost where most die young, in either order, and some are kept and
// then freed by another thread?
//
// After what is published of MicroQuill's sh6bench and sh8bench: rounds of allocating many objects, most of them small,
// freed partly in the order of their allocation and partly in reverse; a share of them survives and changes threads.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "bench/random_set.h"
#include "bench/scenario.h"
#include "bench/scenarios_random.h"
#include "bench/team.h"

namespace bench {

template <class Api>
class Sh8benchScenario final : public Scenario {
 public:
  Sh8benchScenario(const ScenarioInfo& info, const Plan& plan)
      : quick_(plan.quick), sizes_(kObjects * kRounds), bundles_(kShelf + info.threads), spare_(info.threads) {
    Random random(kSeed);
    for (std::uint16_t& size : sizes_) size = draw(random);
    for (std::size_t i = 0; i < kShelf; ++i) shelf_[i].store(&bundles_[i], std::memory_order_relaxed);
    for (std::size_t i = 0; i < spare_.size(); ++i) spare_[i] = &bundles_[kShelf + i];
  }

  void warm_up() override { run(); }

  Sample run() override {
    const auto threads = static_cast<unsigned>(spare_.size());
    Window window(threads, quick_);
    run_threads(threads, [&](unsigned i) {
      take_place(i, threads);
      std::size_t number = 0;
      window.count([&] {
        play_round(number++, spare_[i]);
        return kObjects;
      });
    });
    return {.cycles = window.cycles_per_operation()};
  }

 private:
  static constexpr std::size_t kObjects = 1024;  // of a round
  static constexpr std::size_t kOneOf = 8;       // survives it
  static constexpr std::size_t kSurvivors = kObjects / kOneOf;
  static constexpr std::size_t kShelf = 16;   // for about so many rounds
  static constexpr std::size_t kRounds = 64;  // that differ

  // The survivors of a round. Each object's first word is its number here.
  struct Bundle {
    std::array<void*, kSurvivors> objects;
    std::size_t count = 0;
  };

  // 8 .. 15 bytes for half of the objects, 16 .. 31 for a quarter, and so on, up to 2047.
  static std::uint16_t draw(Random& random) {
    constexpr int kDoublings = 7;
    const std::uint32_t least = 8u << std::min(std::countr_zero(random.next()), kDoublings);
    return static_cast<std::uint16_t>(least + random.below(least));
  }

  // Lays the survivors on the shelf, and frees what lay in their place: mostly another thread's.
  void play_round(std::size_t number, Bundle*& spare) {
    std::array<void*, kObjects - kSurvivors> young;
    allocate(&sizes_[number % kRounds * kObjects], young.data(), *spare);
    const std::size_t middle = young.size() / 2;
    for (std::size_t i = 0; i < middle; ++i) free(young[i], i);
    for (std::size_t i = young.size(); i-- > middle;) free(young[i], i);
    spare = shelf_[number % kShelf].exchange(spare, std::memory_order_acq_rel);  // and with it what it points to
    for (std::size_t i = 0; i < spare->count; ++i) free(spare->objects[i], i);
    spare->count = 0;
  }

  static void allocate(const std::uint16_t* sizes, void** young, Bundle& survivors) {
    std::size_t youngs = 0;
    for (std::size_t i = 0; i < kObjects; ++i) {
      void* p = Api::alloc(sizes[i]);
      if (p == nullptr) [[unlikely]]
        die("out of memory");
      const bool survives = i % kOneOf == 0;
      std::size_t& count = survives ? survivors.count : youngs;
      *static_cast<std::uint64_t*>(p) = count;
      (survives ? survivors.objects.data() : young)[count++] = p;
    }
  }

  static void free(void* p, std::uint64_t number) {
    if (*static_cast<const std::uint64_t*>(p) != number) [[unlikely]]
      die("objects do not hold what was written to them");
    Api::free(p);
  }

  bool quick_;
  Books<std::uint16_t> sizes_;
  std::vector<Bundle> bundles_;
  std::array<std::atomic<Bundle*>, kShelf> shelf_{};  // writers: the threads
  std::vector<Bundle*> spare_;                        // of thread i: empty between rounds
};

}  // namespace bench
