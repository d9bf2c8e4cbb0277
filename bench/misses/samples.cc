// SPDX-License-Identifier: BSD-3-Clause
#include "bench/misses/samples.h"

#include <sys/resource.h>

#include <cmath>

namespace bench {
namespace {

// Of n sorted numbers, the nearest rank: a time that was measured, not one between two.
template <class Number>
Distribution of_sorted(const Number* sorted, std::size_t n, double unit) {
  Distribution d;
  d.count = n;
  if (n == 0) return d;
  const auto at = [&](double q) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(n)));
    return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1]) / unit;
  };
  d.p50 = at(0.5);
  d.p99 = at(0.99);
  d.p999 = at(0.999);
  d.max = at(1);
  d.undisturbed_max = d.max;
  return d;
}

}  // namespace

Distribution summarize(std::uint64_t* ticks, std::size_t n, double ticks_per_ns) {
  std::sort(ticks, ticks + n);
  return of_sorted(ticks, n, ticks_per_ns);
}

long preemptions() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  return used.ru_nivcsw;
}

Distribution summarize(std::vector<double> ns) {
  std::sort(ns.begin(), ns.end());
  return of_sorted(ns.data(), ns.size(), 1);
}

}  // namespace bench
