// SPDX-License-Identifier: BSD-3-Clause
// platform/wake_event.h -- floor 0. One thread sleeps, any other wakes it; beside it may lie files that the kernel makes
// urgent (pressure triggers). Any thread; nothing allocates.
#pragma once

#include <cstdint>
#include <span>

#include "platform/result.h"

namespace fastmem {

inline constexpr std::uint64_t kForever = ~std::uint64_t{0};

// A file descriptor, closed on exec. kNoSpace: the process has no more of them.
Result<int> open_wake_event();
void signal_wake_event(int event);

// Sleeps until the event is signalled (which it takes back), one of the files is urgent, or so many ns are over. Returns
// a bit for each file: bit i is urgent[i]. Files that are -1 are left out. A file that has gone bad is made -1.
unsigned sleep_until_woken(int event, std::span<int> urgent, std::uint64_t timeout_ns);

void close_file(int& fd);  // makes it -1

}  // namespace fastmem
