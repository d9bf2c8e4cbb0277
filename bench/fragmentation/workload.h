// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/workload.h -- Q: which objects live and die in a heap that is kept four fifths full?
//
// Sizes are log-uniform: as many objects from 64 to 128 bytes as from 32 to 64 MiB. Before an object comes random ones go
// until it fits below the fill. All allocators are asked for the same sizes in the same order; which objects go is the same
// draw, too, but one that was refused an object has another number of them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "bench/machine.h"
#include "bench/random.h"
#include "bench/scenario.h"

namespace bench {

struct FragmentationJob {
  std::size_t heap = std::size_t{1} << 30;
  unsigned fill_percent = 80;
  std::uint64_t operations = 10'000'000;
  double seconds = 120;  // then it ends early, and says so

  std::size_t least() const { return 64; }
  std::size_t most() const { return heap / 16; }
  std::size_t fill() const { return heap / 100 * fill_percent; }
};

class Workload {
 public:
  explicit Workload(const FragmentationJob& job)
      : sizes_drawn_(kSeed),
        victims_(kSeed + 1),
        fill_(job.fill()),
        least_log_(std::log2(static_cast<double>(job.least()))),
        most_log_(std::log2(static_cast<double>(job.most()))),
        sizes_(kMostObjects) {}

  // free(i) for each object that goes, the last one then taking its number; then make(count(), size): whether it lives.
  template <class Free, class Make>
  void step(Free free, Make make) {
    const std::size_t size = draw();
    while (bytes_ + size > fill_ || count_ == kMostObjects) {
      const std::uint32_t i = victims_.below(count_);
      free(i);
      bytes_ -= sizes_[i];
      sizes_[i] = sizes_[--count_];
    }
    if (!make(count_, size)) return;
    bytes_ += size;
    sizes_[count_++] = static_cast<std::uint32_t>(size);
  }

  std::uint32_t count() const { return count_; }
  std::size_t bytes() const { return bytes_; }

  static constexpr std::uint32_t kMostObjects = 1 << 16;

 private:
  std::size_t draw() {
    const double u = static_cast<double>(sizes_drawn_.next() >> 11) * 0x1p-53;
    return static_cast<std::size_t>(std::exp2(least_log_ + u * (most_log_ - least_log_)));
  }

  Random sizes_drawn_;
  Random victims_;
  std::size_t fill_;
  double least_log_;
  double most_log_;
  std::uint32_t count_ = 0;
  std::size_t bytes_ = 0;
  Books<std::uint32_t> sizes_;
};

}  // namespace bench
