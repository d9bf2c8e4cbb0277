// SPDX-License-Identifier: BSD-3-Clause
// bench/stats.h -- Q: what is typical of a few runs, and how far do they lie apart?
#pragma once

#include <vector>

namespace bench {

// Linear between neighbours; 0 of nothing. q is 0 .. 1.
double quantile(std::vector<double> values, double q);

inline double median(const std::vector<double>& values) { return quantile(values, 0.5); }

// (p90 - p10) / median: 0 for equal runs.
double spread(const std::vector<double>& values);

}  // namespace bench
