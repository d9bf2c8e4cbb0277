// SPDX-License-Identifier: BSD-3-Clause
// bench/size_mix.cc -- Q: which sizes do the objects of a scenario have?
#include "bench/size_mix.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "bench/traced_sizes.h"

namespace bench {
namespace {

constexpr auto kSmallestSize = static_cast<double>(kSmallest);
constexpr auto kPowerLargestSize = static_cast<double>(SizeMix::kPowerLargest);

// up_to[i]: objects of the first i + 1 entries.
constexpr auto kTracedUpTo = [] {
  std::array<std::uint32_t, std::size(kTracedSizes)> up_to{};
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < up_to.size(); ++i) up_to[i] = sum += kTracedSizes[i].objects;
  return up_to;
}();

std::size_t draw_power_law(Random& random) {
  const double u = static_cast<double>(random.below(UINT32_MAX)) / UINT32_MAX;  // 0 .. 1, the latter excluded
  // The inverse of P(size <= s) = (1 - smallest / s) / (1 - smallest / largest).
  return static_cast<std::size_t>(kSmallestSize / (1 - u * (1 - kSmallestSize / kPowerLargestSize)));
}

std::size_t draw_traced(Random& random) {
  const std::uint32_t at = random.below(kTracedUpTo.back());
  const auto entry = std::upper_bound(kTracedUpTo.begin(), kTracedUpTo.end(), at) - kTracedUpTo.begin();
  return kTracedSizes[entry].size;
}

double traced_mean() {
  double bytes = 0;
  for (const TracedSize& entry : kTracedSizes) bytes += static_cast<double>(entry.size) * entry.objects;
  return bytes / kTracedUpTo.back();
}

}  // namespace

std::size_t SizeMix::draw(Random& random) const {
  switch (mix_) {
    case Mix::kPowerLaw:
      return draw_power_law(random);
    case Mix::kTraced:
      return draw_traced(random);
    default:
      return kSmallest + random.below(static_cast<std::uint32_t>(largest_ - kSmallest + 1));
  }
}

double SizeMix::mean() const {
  switch (mix_) {
    case Mix::kPowerLaw:
      return std::log(kPowerLargestSize / kSmallestSize) / (1 / kSmallestSize - 1 / kPowerLargestSize);
    case Mix::kTraced:
      return traced_mean();
    default:
      return (kSmallestSize + static_cast<double>(largest_)) / 2;
  }
}

}  // namespace bench
