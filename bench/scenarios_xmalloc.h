// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_xmalloc.h -- Q: what does an object cost where some threads only allocate and others only free?
//
// After C. Lever and D. Boreham, malloc() Performance in a Multithreaded Linux Environment (USENIX 2000): half of the
// threads allocate batches of objects and put them on a list; the other half takes batches from it and frees them.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "bench/random_set.h"
#include "bench/scenario.h"
#include "bench/scenarios_random.h"
#include "bench/team.h"

namespace bench {

template <class Api>
class XmallocScenario final : public Scenario {
 public:
  XmallocScenario(const ScenarioInfo& info, const Plan& plan)
      : threads_(info.threads), quick_(plan.quick), batches_(kBatchesPerThread * threads_) {
    Random random(kSeed);
    for (Batch& batch : batches_) {
      for (std::uint16_t& size : batch.sizes) size = static_cast<std::uint16_t>(kSmallestSize << random.below(kPowers));
      empty_.put(&batch);
    }
  }

  void warm_up() override { run(); }

  Sample run() override {
    Window window(threads_, quick_);
    run_threads(threads_, [&](unsigned i) {
      take_place(i, threads_);
      const bool frees = i % 2 != 0;
      window.count([&] {
        if (frees) return free_one();
        allocate_one();
        return std::uint64_t{0};
      });
    });
    while (free_one() > 0) {
    }
    return {.cycles = window.cycles_per_operation()};
  }

 private:
  static constexpr std::size_t kBatchesPerThread = 32;
  static constexpr std::size_t kObjects = 128;
  static constexpr std::uint32_t kSmallestSize = 16;
  static constexpr std::uint32_t kPowers = 8;  // 16, 32 .. 2048

  struct Batch {
    std::array<void*, kObjects> objects;
    std::array<std::uint16_t, kObjects> sizes;
    Batch* next;
  };

  // A list of batches, last in, first out.
  class List {
   public:
    void put(Batch* batch) {
      const std::lock_guard lock(mutex_);
      batch->next = first_;
      first_ = batch;
    }
    // nullptr: there is none.
    Batch* take() {
      const std::lock_guard lock(mutex_);
      Batch* const batch = first_;
      if (batch != nullptr) first_ = batch->next;
      return batch;
    }

   private:
    std::mutex mutex_;
    Batch* first_ = nullptr;
  };

  // Without a batch to work on, both let others run.
  void allocate_one() {
    Batch* const batch = empty_.take();
    if (batch == nullptr) return std::this_thread::yield();
    for (std::size_t i = 0; i < kObjects; ++i) {
      void* p = Api::alloc(batch->sizes[i]);
      if (p == nullptr) [[unlikely]]
        die("out of memory");
      *static_cast<std::uint64_t*>(p) = i;
      batch->objects[i] = p;
    }
    full_.put(batch);
  }
  // Returns how many objects these were.
  std::uint64_t free_one() {
    Batch* const batch = full_.take();
    if (batch == nullptr) {
      std::this_thread::yield();
      return 0;
    }
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < kObjects; ++i) {
      wrong |= *static_cast<const std::uint64_t*>(batch->objects[i]) ^ i;
      Api::free(batch->objects[i]);
    }
    if (wrong != 0) die("objects do not hold what was written to them");
    empty_.put(batch);
    return kObjects;
  }

  unsigned threads_;
  bool quick_;
  Books<Batch> batches_;
  List empty_;
  List full_;
};

}  // namespace bench
