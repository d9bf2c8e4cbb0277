// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/unit_map.h"

#include <utility>

#include "platform/address_space.h"
#include "platform/check.h"

namespace fastmem {

UnitMap::UnitMap(UnitMap&& other) noexcept
    : units_(std::exchange(other.units_, 0)), words_(std::exchange(other.words_, nullptr)) {}

UnitMap::~UnitMap() {
  if (words_ != nullptr) unreserve(words_, bytes());
}

bool UnitMap::create(std::size_t units) {
  units_ = units;
  words_ = static_cast<std::uint64_t*>(reserve_readable(bytes()));
  return words_ != nullptr && make_writable(words_, bytes());
}

bool UnitMap::any(std::size_t first, std::size_t count) const {
  for (std::size_t i = first; i < first + count; ++i) {
    if (get(i)) return true;
  }
  return false;
}

void UnitMap::set(std::size_t first, std::size_t count, bool value) {
  FM_CHECK(first + count <= units_);
  for (std::size_t i = first; i < first + count; ++i) {
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    words_[i / 64] = value ? words_[i / 64] | bit : words_[i / 64] & ~bit;
  }
}

std::size_t UnitMap::find_clear(std::size_t count, std::size_t from, Grid grid) const {
  const auto on_grid = [&](std::size_t i) { return round_up(i + grid.phase, grid.step) - grid.phase; };
  std::size_t start = on_grid(from);
  for (std::size_t i = start; i < units_; ++i) {
    if (get(i)) {
      start = on_grid(i + 1);
      continue;
    }
    if (i >= start && i + 1 - start >= count) return start;
  }
  return kNone;
}

Bytes UnitMap::bytes() const { return round_up(Bytes{units_ / 8 + 8}, kSmallPage); }

}  // namespace fastmem
