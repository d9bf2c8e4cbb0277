// SPDX-License-Identifier: BSD-3-Clause
// platform/stack_trace.h -- floor 0. Where the calling thread is: return addresses, innermost first.
#pragma once

namespace fastmem {

// At most `most` of them, after leaving out the first `skip`; the first of all is where this was called. Where a signal
// interrupted a function it is one above that place, so one below each is in the call or where the signal came. Allocates
// nothing, takes no lock of its own, may run in a signal handler; a broken stack ends the trace, it never crashes.
// On x86-64 as platform/stack_walk.h says, some 15 cycles a frame; on other machines by the unwinder of the C library.
unsigned capture_stack(void** pcs, unsigned most, unsigned skip = 0);

}  // namespace fastmem
