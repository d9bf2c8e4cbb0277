// SPDX-License-Identifier: BSD-3-Clause
// core/watermarks.h -- floor 2 (core). When a node has too little free memory, or too much: noticed where memory is taken
// and given, by two compares.
// What:      a mark that is crossed is told once; it can be crossed again only after free memory was a margin on its
//            other side. Growth ahead of need is asked for earlier than the low mark is crossed, surplus as soon as the
//            high one is; both are asked for once, until who answers takes the question.
// Callers:   PageHeap, whose lock guards it. Everything is counted in granules.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

namespace fastmem::core {

class Watermarks {
 public:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  // What was seen since it was last taken.
  struct Seen {
    bool low = false;
    bool high = false;
    std::size_t free_at_low = 0;
    std::size_t free_at_high = 0;
    bool low_last = false;  // of the two, where both were crossed
  };

  // true: somebody should look.
  bool look(std::size_t free) {
    least_ = std::min(least_, free);
    if (free >= wake_below_ && free <= wake_above_) [[likely]]
      return false;
    return look_closely(free);
  }

  // 0 and kNone: there is none.
  bool set(std::size_t low, std::size_t high, std::size_t free) {
    low_ = low;
    high_ = high;
    grow_below_ = low;
    const std::size_t between = high == kNone ? low : high - low;
    margin_ = std::clamp<std::size_t>(std::max(low, between) / 8, 1, std::max<std::size_t>(between / 2, 1));
    zone_ = Zone::kBetween;
    seen_ = {};
    growth_asked_ = surplus_asked_ = false;
    return look_closely(free);
  }
  // Less than so much free: growth ahead of need is asked for. 0: not now.
  bool ask_for_growth_below(std::size_t granules, std::size_t free) {
    grow_below_ = granules;
    growth_asked_ = false;
    return look_closely(free);
  }
  Seen take(std::size_t free) {
    const Seen seen = seen_;
    seen_ = {};
    surplus_asked_ = false;
    settle(free);
    return seen;
  }

  std::size_t low() const { return low_; }
  std::size_t high() const { return high_; }
  std::size_t least() const { return least_; }
  void forget_least(std::size_t free) { least_ = free; }

 private:
  enum class Zone : unsigned char { kBetween, kLow, kHigh };

  bool look_closely(std::size_t free) {
    bool wake = false;
    leave_zone(free);
    if (zone_ != Zone::kLow && free < low_) {
      zone_ = Zone::kLow;
      seen_.low = seen_.low_last = wake = true;
      seen_.free_at_low = free;
    }
    if (zone_ != Zone::kHigh && free > high_) {
      zone_ = Zone::kHigh;
      seen_.high = wake = true;
      seen_.low_last = false;
      seen_.free_at_high = free;
    }
    if (free < grow_below_ && !growth_asked_) growth_asked_ = wake = true;
    if (zone_ == Zone::kHigh && free > high_ + margin_ && !surplus_asked_) surplus_asked_ = wake = true;
    settle(free);
    return wake;
  }
  void leave_zone(std::size_t free) {
    if (zone_ == Zone::kLow && free >= low_ + margin_) zone_ = Zone::kBetween;
    if (zone_ == Zone::kHigh && free + margin_ <= high_) zone_ = Zone::kBetween;
  }
  // Where the next change of anything is.
  void settle(std::size_t free) {
    leave_zone(free);
    const std::size_t grow = growth_asked_ ? 0 : grow_below_;
    switch (zone_) {
      case Zone::kBetween:
        wake_below_ = std::max(low_, grow);
        wake_above_ = high_;
        break;
      case Zone::kLow:
        wake_below_ = grow;
        wake_above_ = low_ + margin_ - 1;
        break;
      case Zone::kHigh:
        wake_below_ = high_ - margin_ + 1;
        wake_above_ = surplus_asked_ ? kNone : high_ + margin_;
        break;
    }
  }

  std::size_t wake_below_ = 0;
  std::size_t wake_above_ = kNone;
  std::size_t least_ = 0;  // free since forget_least()

  std::size_t low_ = 0;
  std::size_t high_ = kNone;
  std::size_t margin_ = 1;
  std::size_t grow_below_ = 0;
  Zone zone_ = Zone::kBetween;
  bool growth_asked_ = false;
  bool surplus_asked_ = false;
  Seen seen_;
};

}  // namespace fastmem::core
