// SPDX-License-Identifier: BSD-3-Clause
// bench/random_set.h -- Q: which objects live and die when a program replaces random ones by others of random size?
#pragma once

#include <cstddef>
#include <cstdint>

#include "bench/catalogue.h"
#include "bench/machine.h"
#include "bench/scenario.h"

namespace bench {

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32); }
  std::size_t size() { return kSmallest + below(kLargest - kSmallest + 1); }

 private:
  std::uint64_t state_;
};

// A slot to replace and the size of the new object, drawn before anything is timed. Four bytes: little cache is taken.
class Step {
 public:
  Step() = default;
  Step(std::uint32_t slot, std::size_t size)
      : bits_(slot | static_cast<std::uint32_t>(size - kSmallest) << kSlotBits) {}
  std::uint32_t slot() const { return bits_ & ((1u << kSlotBits) - 1); }
  std::size_t size() const { return kSmallest + (bits_ >> kSlotBits); }

 private:
  static constexpr unsigned kSlotBits = 20;
  static_assert(kLargest - kSmallest < (1u << (32 - kSlotBits)));
  std::uint32_t bits_;
};
static_assert(sizeof(Step) == 4);

// Invariant: each object's first word is the number of its slot; replace() reads it back before it frees.
template <class Api>
class RandomSet {
 public:
  RandomSet(std::size_t live, std::size_t steps, std::uint64_t seed) : slots_(live), steps_(steps), random_(seed) {
    for (Step& step : steps_) {
      step = Step(random_.below(static_cast<std::uint32_t>(live)), random_.size());
      expected_ += step.slot();
    }
  }

  void fill() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) slots_[slot] = make(slot, random_.size());
  }

  // Every step once.
  void replace() {
    const std::uint64_t sum = replace_all(slots_.data(), steps_.data(), steps_.size());
    if (sum != expected_) die("objects do not hold what was written to them");
  }

  // The next n steps; after the last one comes the first. n divides steps(). check_read() looks at what was read.
  void replace_next(std::size_t n) {
    read_ += replace_all(slots_.data(), steps_.data() + next_, n);
    next_ += n;
    if (next_ < steps_.size()) return;
    next_ = 0;
    read_ -= expected_;
  }
  void check_read() {
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < next_; ++i) expected += steps_[i].slot();
    if (read_ != expected) die("objects do not hold what was written to them");
  }

  void drain() {
    for (void*& p : slots_) Api::free(p);
  }

  std::size_t live() const { return slots_.size(); }
  std::size_t steps() const { return steps_.size(); }

 private:
  static void* make(std::uint64_t slot, std::size_t size) {
    void* p = Api::alloc(size);
    if (p == nullptr) [[unlikely]]
      die("out of memory");
    *static_cast<std::uint64_t*>(p) = slot;
    return p;
  }

  [[gnu::noinline]] static std::uint64_t replace_all(void** slots, const Step* steps, std::size_t n) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      void*& slot = slots[steps[i].slot()];
      sum += *static_cast<const std::uint64_t*>(slot);
      Api::free(slot);
      slot = make(steps[i].slot(), steps[i].size());
    }
    return sum;
  }

  Books<void*> slots_;
  Books<Step> steps_;
  Random random_;
  std::uint64_t expected_ = 0;  // the sum of all steps' slots
  std::size_t next_ = 0;        // step of replace_next()
  std::uint64_t read_ = 0;      // what it read since the first step
};

}  // namespace bench
