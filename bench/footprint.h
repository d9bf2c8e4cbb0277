// SPDX-License-Identifier: BSD-3-Clause
// bench/footprint.h -- Q: what is read at a moment of a footprint run?
#pragma once

namespace bench {

// Plain data: it crosses a socket.
struct Footprint {
  double cycles = 0;    // per allocation, or per free
  double live = 0;      // bytes asked for
  double held = 0;      // bytes of resident memory, see held.h
  double backing = 0;   // fastmem only: bytes it has from the kernel
  double metadata = 0;  // fastmem only: bytes of its books, beside these
};

}  // namespace bench
