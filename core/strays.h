// SPDX-License-Identifier: BSD-3-Clause
// core/strays.h -- floor 2 (core). Objects that came to a bin and are not its own to take back. The bin notes them
// under its lock; Heap sends home or reports each once the lock is free.
#pragma once

#include <cstdint>

#include "core/page_map.h"

namespace fastmem::core {

enum class Stray : std::uint8_t {
  kOtherBin,      // an object of another class or node: freed with a wrong size or handle
  kWasFree,       // its bit was set already: a double free
  kInsideObject,  // not where an object begins
  kNoSlab,        // its slab is gone, or there never was one
  kGuardWritten,  // no object: a byte behind a slab that was written, of a hardened heap
  kCellWritten,   // no object: a place in a depot's magazine, likewise
};

class Strays {
 public:
  struct Entry {
    void* object;
    Stray why;
    BinId came_to;
    BinId found_in;
  };

  // What passes the bound is only counted: its memory stays out of use.
  void add(void* object, Stray why, BinId came_to, BinId found_in) {
    if (count_ < kMost) {
      entries_[count_++] = {object, why, came_to, found_in};
    } else {
      ++lost_;
    }
  }
  bool empty() const { return count_ == 0; }
  const Entry* begin() const { return entries_; }
  const Entry* end() const { return entries_ + count_; }
  unsigned lost() const { return lost_; }

 private:
  static constexpr unsigned kMost = 64;
  Entry entries_[kMost];
  unsigned count_ = 0;
  unsigned lost_ = 0;
};

}  // namespace fastmem::core
