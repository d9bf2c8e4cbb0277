// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/unit_map.h -- floor 1. A bit for each unit of a range: which are taken, dirty, held? Where is a run
// of free ones?
// Locks:     none of its own: the caller's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/types.h"

namespace fastmem {

class UnitMap {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};

  // Indexes i with (i + phase) % step == 0.
  struct Grid {
    std::size_t step = 1;
    std::size_t phase = 0;
  };

  UnitMap() = default;
  UnitMap(UnitMap&& other) noexcept;
  UnitMap(const UnitMap&) = delete;
  UnitMap& operator=(const UnitMap&) = delete;
  UnitMap& operator=(UnitMap&&) = delete;
  ~UnitMap();

  // All bits clear. false: no memory. Once.
  bool create(std::size_t units);

  std::size_t units() const { return units_; }
  bool get(std::size_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }
  bool any(std::size_t first, std::size_t count) const;
  void set(std::size_t first, std::size_t count, bool value);

  // The lowest run of `count` clear bits that begins at or after `from`, on the grid; kNone.
  std::size_t find_clear(std::size_t count, std::size_t from, Grid grid) const;

 private:
  Bytes bytes() const;

  std::size_t units_ = 0;
  std::uint64_t* words_ = nullptr;
};

}  // namespace fastmem
