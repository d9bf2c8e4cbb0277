// SPDX-License-Identifier: BSD-3-Clause
// platform/asymmetric_fence.h -- floor 0. One side pays for both: light_fence() costs nothing but the compiler's
// freedom, heavy_fence() makes every running thread of the process pass a full barrier (membarrier(2), private
// expedited). What a thread stores before its light fence is seen after another's heavy fence, or that thread's loads
// after the light fence see what the other stored before its heavy one.
#pragma once

#include <atomic>

namespace fastmem {

inline void light_fence() { std::atomic_signal_fence(std::memory_order_seq_cst); }

// false: this kernel cannot do it, and nothing was ordered.
bool heavy_fence();

// The registration does not survive fork.
void reset_heavy_fence_in_child();

}  // namespace fastmem
