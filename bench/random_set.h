// SPDX-License-Identifier: BSD-3-Clause
// bench/random_set.h -- Q: which objects live and die when a program replaces random ones by others of random size?
#pragma once

#include <cstddef>
#include <cstdint>

#include "bench/catalogue.h"
#include "bench/machine.h"
#include "bench/random.h"
#include "bench/scenario.h"
#include "bench/size_mix.h"

namespace bench {

// A slot to replace and the sizes of the object that goes and of the one that comes, drawn before anything is timed.
// Eight bytes, read one after another: little cache is taken.
struct Step {
  std::uint32_t slot;
  std::uint16_t old_size;
  std::uint16_t size;
};
static_assert(sizeof(Step) == 8 && kLargest <= UINT16_MAX);

// How an object goes: by its address alone, or with the size that its owner knows.
template <class Api>
struct FreeByAddress {
  static void free(void* p, std::size_t) { Api::free(p); }
};
template <class Api>
struct FreeSized {
  static void free(void* p, std::size_t size) { Api::free_sized(p, size); }
};

// Invariants: each object's first word is the number of its slot; replace() reads it back before it frees.
//             Before and after a replace() the object of a slot has the size that the last step for it says, so that any
//             number of them may follow each other.
template <class Api, class Freeing = FreeByAddress<Api>>
class RandomSet {
 public:
  RandomSet(std::size_t live, std::size_t steps, std::uint64_t seed, std::size_t largest = kLargest)
      : slots_(live), sizes_(live), steps_(steps) {
    Random random(seed);
    const SizeMix mix(Mix::kUniform, largest);
    const auto draw = [&] { return static_cast<std::uint16_t>(mix.draw(random)); };
    for (std::uint16_t& size : sizes_) size = draw();
    for (Step& step : steps_) {
      step = {.slot = random.below(static_cast<std::uint32_t>(live)), .old_size = 0, .size = draw()};
      sizes_[step.slot] = step.size;
      expected_ += step.slot;
    }
    for (Step& step : steps_) {
      step.old_size = sizes_[step.slot];
      sizes_[step.slot] = step.size;
    }
  }

  void fill() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) slots_[slot] = make(slot, sizes_[slot]);
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
    for (std::size_t i = 0; i < next_; ++i) expected += steps_[i].slot;
    if (read_ != expected) die("objects do not hold what was written to them");
  }

  void drain() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) Freeing::free(slots_[slot], sizes_[slot]);
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
      void*& slot = slots[steps[i].slot];
      sum += *static_cast<const std::uint64_t*>(slot);
      Freeing::free(slot, steps[i].old_size);
      slot = make(steps[i].slot, steps[i].size);
    }
    return sum;
  }

  Books<void*> slots_;
  Books<std::uint16_t> sizes_;  // by slot; not looked at while objects are replaced
  Books<Step> steps_;
  std::uint64_t expected_ = 0;  // the sum of all steps' slots
  std::size_t next_ = 0;        // step of replace_next()
  std::uint64_t read_ = 0;      // what it read since the first step
};

}  // namespace bench
