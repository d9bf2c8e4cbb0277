// SPDX-License-Identifier: BSD-3-Clause
// core/reserved_tables.h -- floor 2 (core). Some tables in one piece of address space, which reads as zeroes; where a gap
// is asked, with gaps that fault before, between and behind them.
// Callers:   Heap, while it is made.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "platform/address_space.h"

namespace fastmem::core {

class ReservedTables {
 public:
  static constexpr std::size_t kMost = 3;

  // Whole pages, all of them.
  ReservedTables(std::initializer_list<Bytes> sizes, Bytes gap) : gap_(gap), all_(gap) {
    for (const Bytes size : sizes) {
      offsets_[count_++] = all_;
      all_ += size + gap;
    }
  }

  // false: no address space, or the kernel refuses the gaps.
  bool reserve() {
    base_ = static_cast<std::byte*>(reserve_readable(all_));
    bool closed = base_ != nullptr && deny_access(base_ + all_.rep - gap_.rep, gap_);
    for (std::size_t i = 0; closed && i < count_; ++i) closed = deny_access(at(i) - gap_.rep, gap_);
    return closed;
  }
  void unreserve() const {
    if (base_ != nullptr) fastmem::unreserve(base_, all_);
  }

  std::byte* at(std::size_t table) const { return base_ + offsets_[table].rep; }
  Bytes all() const { return all_; }

 private:
  Bytes gap_;
  Bytes all_;
  Bytes offsets_[kMost] = {};
  std::size_t count_ = 0;
  std::byte* base_ = nullptr;
};

}  // namespace fastmem::core
