// SPDX-License-Identifier: BSD-3-Clause
// core/decay.h -- floor 2 (core). How much of what lies idle is due to go back to the system, by the clock.
// What:      of the bytes that were free all the time from t to t + dt, the share 1 - exp(-dt / T) becomes due: the
//            profile of jemalloc's decay-based purging with an exponential in place of its smoothstep, and without a
//            backlog, because only what was idle all along counts. What is due and could not go (a region must go whole,
//            a page has its size) stays due; what is used again is not due any more.
//            In integers: time passes in ticks of T / 64; of an amount x that is not due, x * k^n stays after n ticks,
//            k = exp(-1 / 64) in 32 bits behind the point. The last granule goes as a whole.
// Callers:   Heap, under the node's growth lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/extent.h"

namespace fastmem::core {

class Decay {
 public:
  static constexpr std::uint64_t kTicks = 64;     // in a time constant
  static constexpr std::uint64_t kLeastStep = 4;  // ticks between two looks

  // Whether enough of the time constant (ns) has passed for another step.
  bool is_due(std::uint64_t now, std::uint64_t constant) const {
    return seen_ == 0 || now < seen_ || now - seen_ >= tick(constant) * kLeastStep;
  }
  // `idle`: the least bytes that were free since the last step. Returns what is due.
  std::size_t step(std::size_t idle, std::uint64_t now, std::uint64_t constant) {
    due_ = std::min(due_, idle);
    if (seen_ == 0 || now < seen_) {
      seen_ = now;
      return due_;
    }
    const std::uint64_t ticks = (now - seen_) / tick(constant);
    seen_ += ticks * tick(constant);
    const std::size_t stays = share_that_stays(idle - due_, ticks);
    due_ = stays < kGranule ? idle : idle - stays;
    return due_;
  }
  void gone(std::size_t bytes) { due_ -= std::min(due_, bytes); }
  std::size_t due() const { return due_; }
  void begin_again() { *this = {}; }

  static std::size_t share_that_stays(std::size_t bytes, std::uint64_t ticks) {
    if (ticks > 64 * kTicks) return 0;
    std::uint64_t factor = kTickStays;
    std::uint64_t product = kOne;
    for (; ticks != 0; ticks /= 2) {
      if (ticks % 2 != 0) product = times(product, factor);
      factor = times(factor, factor);
    }
    return static_cast<std::size_t>(times(bytes, product));
  }

 private:
  static constexpr std::uint64_t kOne = std::uint64_t{1} << 32;
  static constexpr std::uint64_t kTickStays = 4228379999;  // exp(-1 / 64) * 2^32

  // b is at most kOne: neither product overflows.
  static std::uint64_t times(std::uint64_t a, std::uint64_t b) { return (a >> 32) * b + ((a & (kOne - 1)) * b >> 32); }
  static std::uint64_t tick(std::uint64_t constant) { return std::max<std::uint64_t>(constant / kTicks, 1); }

  std::uint64_t seen_ = 0;  // ns; 0: not begun
  std::size_t due_ = 0;
};

}  // namespace fastmem::core
