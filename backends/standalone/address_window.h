// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/address_window.h -- floor 1. One range of address space, reserved up front, given out in units.
// Invariant: a unit's bit in `taken_` is set exactly while somebody has it; free units are mapped without access.
// Locks:     none of its own: take() and give() under the caller's.
#pragma once

#include <cstdint>

#include "backends/standalone/unit_map.h"
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

  // `size` from `base` on, which is a multiple of `unit`. kExists: something is mapped there; the text says what.
  // kNoMemory: no address space.
  static Result<AddressWindow> create_at(std::uintptr_t base, Bytes size, Bytes unit);

  AddressRange range() const { return range_; }

  // The lowest free run of `size` bytes, a multiple of the unit, on a multiple of `align` (a power of two); nullptr when
  // there is none.
  void* take(Bytes size, Bytes align = {});
  void give(void* at, Bytes size);

  // Leaves the mappings where they are: for the child of a fork, where they may have become somebody else's.
  void abandon();

 private:
  Error open_books(Bytes unit);

  AddressRange range_;
  Bytes unit_;
  std::size_t lowest_free_ = 0;  // every unit before it is taken
  UnitMap taken_;
};

}  // namespace fastmem
