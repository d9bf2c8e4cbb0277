// SPDX-License-Identifier: BSD-3-Clause
// platform/call_frame_program.h -- floor 0. The unwinder's tables: finds the entry for an address and interprets it.
#pragma once

#include <cstdint>

namespace fastmem {

// What the tables say of one register of the caller.
struct SavedRegister {
  enum class How : std::uint8_t { kSame, kAtCfa, kUndefined, kExpression, kOther };
  How how = How::kSame;
  std::int64_t offset = 0;                    // kAtCfa: it lies at CFA + offset
  const unsigned char* expression = nullptr;  // kExpression: it lies where this, preceded by its length, leads
};

// The columns of one row that matter on x86-64.
struct CallFrame {
  std::uint64_t cfa_register = 0;
  std::int64_t cfa_offset = 0;
  const unsigned char* cfa_expression = nullptr;  // preceded by its length; then the two above say nothing
  SavedRegister fp;
  SavedRegister return_address;
  bool signal = false;  // the frame that the kernel makes for a signal handler
};

// The row for `address` by the tables at `eh_frame_hdr`. false: they have none, or are of a kind that compilers do not
// make.
bool interpret_call_frame(const void* eh_frame_hdr, std::uintptr_t address, CallFrame& frame);

}  // namespace fastmem
