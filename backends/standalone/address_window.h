// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/address_window.h -- floor 1. One range of address space, reserved up front, given out in units.
// Invariant: a unit's bit in `taken_` is set exactly while somebody has it; free units are mapped without access.
// Locks:     none of its own: take() and give() under the caller's.
#pragma once

#include <cstdint>

#include "platform/backing.h"

namespace fastmem {

class AddressWindow {
 public:
  AddressWindow() = default;
  AddressWindow(AddressWindow&& other) noexcept;
  AddressWindow(const AddressWindow&) = delete;
  AddressWindow& operator=(const AddressWindow&) = delete;
  AddressWindow& operator=(AddressWindow&&) = delete;
  ~AddressWindow();

  // `wanted`, or half of it, or a quarter ... but never less than `smallest`; aligned to `unit`. kNoMemory: not even
  // that.
  static Result<AddressWindow> create(Bytes wanted, Bytes smallest, Bytes unit);

  AddressRange range() const { return range_; }

  // The lowest free run of `size` bytes, a multiple of the unit; nullptr when there is none.
  void* take(Bytes size);
  void give(void* at, Bytes size);

  // Leaves the mappings where they are: for the child of a fork, where they may have become somebody else's.
  void abandon();

 private:
  bool is_taken(std::size_t i) const { return (taken_[i / 64] >> (i % 64) & 1) != 0; }
  void mark(std::size_t first, std::size_t count, bool taken);
  Bytes bitmap_bytes() const;

  AddressRange range_;
  Bytes unit_;
  std::size_t units_ = 0;
  std::size_t lowest_free_ = 0;  // every unit before it is taken
  std::uint64_t* taken_ = nullptr;
};

}  // namespace fastmem
