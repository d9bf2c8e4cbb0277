// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/trial.h -- Q: how does one heap stand the workload?
//
// Heap: alloc(size), free(p), peak_footprint(), explain(text, length, live, largest): what it says of a refusal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "bench/clock.h"
#include "bench/fragmentation/report.h"
#include "bench/fragmentation/workload.h"
#include "bench/machine.h"
#include "bench/scenario.h"

namespace bench {

// Times of one kind of call: every kEvery-th of them.
class CallTimes {
 public:
  CallTimes() : took_(kMost) {}

  void add(std::uint64_t cycles) {
    sum_ += cycles;
    if (seen_++ % kEvery == 0 && kept_ < kMost) {
      took_[kept_++] = static_cast<std::uint32_t>(std::min<std::uint64_t>(cycles, UINT32_MAX));
    }
  }
  std::uint64_t sum() const { return sum_; }
  std::uint64_t median() {
    if (kept_ == 0) return 0;
    std::nth_element(took_.begin(), took_.begin() + kept_ / 2, took_.begin() + kept_);
    return took_[kept_ / 2];
  }

 private:
  static constexpr std::size_t kMost = 1 << 20;
  static constexpr std::uint64_t kEvery = 16;

  Books<std::uint32_t> took_;
  std::uint64_t seen_ = 0;
  std::size_t kept_ = 0;
  std::uint64_t sum_ = 0;
};

template <class Heap>
class Trial {
 public:
  explicit Trial(const FragmentationJob& job) : job_(job), workload_(job), objects_(Workload::kMostObjects) {}

  // What the trial needs itself is mapped: `heap` may be limited to what is to come.
  FragmentationReport run(Heap& heap) {
    const std::uint64_t begin = ticks();
    const auto end = begin + static_cast<std::uint64_t>(job_.seconds * 1e9 * ticks_per_ns_);
    const std::uint64_t between_looks = std::max<std::uint64_t>(job_.operations / kLooks, 1);
    while (report_.operations < job_.operations && ticks() < end) {
      step(heap);
      if (++report_.operations % between_looks == 0 && report_.looks < kLooks - 1) look(heap, false);
    }
    look(heap, true);
    const auto ns = [&](std::uint64_t cycles) {
      return static_cast<double>(cycles - std::min(cycles, overhead_)) / ticks_per_ns_;
    };
    report_.alloc_ns = ns(allocs_.median());
    report_.free_ns = ns(frees_.median());
    report_.mean_ns = static_cast<double>(allocs_.sum() + frees_.sum()) / ticks_per_ns_ /
                      static_cast<double>(std::max<std::uint64_t>(report_.operations, 1));
    report_.peak_footprint = heap.peak_footprint();
    return report_;
  }

 private:
  struct Object {
    std::byte* p;
    std::size_t size;
  };

  void step(Heap& heap) {
    workload_.step(
        [&](std::uint32_t i) {
          free(heap, objects_[i]);
          objects_[i] = objects_[workload_.count() - 1];
        },
        [&](std::uint32_t i, std::size_t size) {
          objects_[i] = make(heap, size);
          return objects_[i].p != nullptr;
        });
    report_.peak_live = std::max(report_.peak_live, workload_.bytes());
  }

  Object make(Heap& heap, std::size_t size) {
    const std::uint64_t before = ticks();
    auto* const p = static_cast<std::byte*>(heap.alloc(size));
    allocs_.add(ticks() - before);
    if (p != nullptr) {
      stamp(p, size);
    } else {
      ++report_.failed;
    }
    return {p, size};
  }

  void free(Heap& heap, const Object& object) {
    check(object);
    const std::uint64_t before = ticks();
    heap.free(object.p);
    frees_.add(ticks() - before);
  }

  // Both ends say whose they are: an object laid over another one's end is noticed.
  static void stamp(std::byte* p, std::size_t size) {
    const auto mark = reinterpret_cast<std::uintptr_t>(p) ^ size;
    std::memcpy(p, &mark, sizeof mark);
    std::memcpy(p + size - sizeof mark, &mark, sizeof mark);
  }
  static void check(const Object& object) {
    const auto mark = reinterpret_cast<std::uintptr_t>(object.p) ^ object.size;
    if (std::memcmp(object.p, &mark, sizeof mark) != 0 ||
        std::memcmp(object.p + object.size - sizeof mark, &mark, sizeof mark) != 0) {
      die("an object was overwritten by another");
    }
  }

  void look(Heap& heap, bool measure) {
    FragmentationLook& l = report_.look[report_.looks++];
    l.operations = report_.operations;
    l.free = job_.heap - workload_.bytes();
    l.largest = l.free / 4;
    l.served = serves(heap, l.largest);
    if (!l.served || measure) l.largest = largest_served(heap, l.free);
    if (!l.served) heap.explain(l.why, sizeof l.why, workload_.bytes(), l.largest);
  }

  static bool serves(Heap& heap, std::size_t size) {
    void* const p = heap.alloc(size);
    if (p == nullptr) return false;
    heap.free(p);
    return true;
  }

  // To a thousandth of what is free.
  static std::size_t largest_served(Heap& heap, std::size_t free) {
    std::size_t served = 0;
    std::size_t refused = free + 1;
    while (refused - served > free / 1000 + 1) {
      const std::size_t middle = served + (refused - served) / 2;
      (serves(heap, middle) ? served : refused) = middle;
    }
    return served;
  }

  FragmentationJob job_;
  Workload workload_;
  Books<Object> objects_;
  CallTimes allocs_;
  CallTimes frees_;
  FragmentationReport report_;
  const double ticks_per_ns_ = ticks_per_ns();
  const std::uint64_t overhead_ = ticks_overhead();
};

}  // namespace bench
