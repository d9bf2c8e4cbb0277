// SPDX-License-Identifier: BSD-3-Clause
// bench/size_mix.h -- Q: which sizes do the objects of a scenario have?
#pragma once

#include <cstddef>

#include "bench/catalogue.h"
#include "bench/random.h"

namespace bench {

// Uniform:   every size from kSmallest to `largest` as often as any other.
// Power law: of sizes from kSmallest to kPowerLargest, P(size > s) falls as 1 / s (Pareto's law with exponent 1, cut off):
//            each doubling has half the objects of the one before it, and as many bytes. Half of all are below 32 bytes.
// Traced:    as a recorded program's live objects, see traced_sizes.h.
class SizeMix {
 public:
  static constexpr std::size_t kPowerLargest = 256 * 1024;

  explicit SizeMix(Mix mix, std::size_t largest = kLargest) : mix_(mix), largest_(largest) {}

  std::size_t draw(Random& random) const;
  double mean() const;

 private:
  Mix mix_;
  std::size_t largest_;  // of the uniform mix
};

}  // namespace bench
