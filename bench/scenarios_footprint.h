// SPDX-License-Identifier: BSD-3-Clause
// bench/scenarios_footprint.h -- Q: how much memory does a process hold for each live byte, when the set has grown and
// when most of it is gone?
//
// It needs a process that never allocated before: one run each. Nobody is given time or told to tidy up between the last
// free and the reading: a program has other things to do.
#pragma once

#include <cstring>
#include <utility>

#include "bench/clock.h"
#include "bench/held.h"
#include "bench/machine.h"
#include "bench/random.h"
#include "bench/scenario.h"
#include "bench/size_mix.h"

namespace bench {

// Its time is that of an allocation and of writing every byte, then that of a free.
template <class Api>
class FootprintScenario final : public Scenario {
 public:
  explicit FootprintScenario(const ScenarioInfo& info)
      : objects_(info.live), sizes_(info.live), order_(info.live), leaving_(info.live / 10 * 9) {
    Random random(kSeed);
    const SizeMix mix(info.mix, info.largest);
    for (std::uint32_t& size : sizes_) {
      size = static_cast<std::uint32_t>(mix.draw(random));
      live_bytes_ += size;
    }
    choose_who_leaves(random);
  }

  void warm_up() override {}

  Sample run() override {
    Sample sample;
    std::uint64_t begin = ticks();
    for (std::size_t i = 0; i < objects_.size(); ++i) {
      objects_[i] = Api::alloc(sizes_[i]);
      if (objects_[i] == nullptr) [[unlikely]]
        die("out of memory");
      std::memset(objects_[i], 1, sizes_[i]);
    }
    std::uint64_t took = ticks() - begin;
    sample.grown = reading(took, objects_.size());
    begin = ticks();
    for (std::size_t i = 0; i < leaving_; ++i) Api::free(objects_[order_[i]]);
    took = ticks() - begin;
    for (std::size_t i = 0; i < leaving_; ++i) live_bytes_ -= sizes_[order_[i]];
    sample.freed = reading(took, leaving_);
    return sample;
  }

 private:
  // The first `leaving_` of order_: any objects, in any order (Fisher and Yates).
  void choose_who_leaves(Random& random) {
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::uint32_t>(i);
    for (std::size_t i = 0; i < leaving_; ++i) {
      std::swap(order_[i], order_[i + random.below(static_cast<std::uint32_t>(order_.size() - i))]);
    }
  }

  Footprint reading(std::uint64_t took, std::size_t operations) const {
    Footprint footprint{.cycles = static_cast<double>(took) / static_cast<double>(operations),
                        .live = static_cast<double>(live_bytes_),
                        .held = static_cast<double>(held_bytes())};
    Api::read_books(footprint);
    return footprint;
  }

  Books<void*> objects_;
  Books<std::uint32_t> sizes_;
  Books<std::uint32_t> order_;
  std::size_t leaving_;
  std::uint64_t live_bytes_ = 0;
};

}  // namespace bench
