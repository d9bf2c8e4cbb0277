// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/populate.h -- floor 1. How do the pages of a large range get present quickly, and with no signal?
// Short-lived threads take slices of it; they run no signal handlers and are bound to nothing.
#pragma once

#include <cstddef>

#include "platform/types.h"

namespace fastmem {

// After every slice, on the thread that waits for the memory. It must not call a heap. 0: stop.
using Progress = int (*)(std::size_t done, std::size_t total, void* context);

struct Populate {
  unsigned threads = 1;  // at most, the calling one among them
  Progress progress = nullptr;
  void* context = nullptr;
};

// The least that is worth a thread, and between two calls of `progress`.
inline constexpr Bytes kPopulateSlice = kMiB * 64;

// 0, or an errno: EFAULT or ENOMEM (no memory), ECANCELED (`progress` said so), EINVAL (a kernel before 5.14 cannot). On
// an error some pages may be present.
int populate_pages(void* at, Bytes size, Bytes page_size, const Populate& how);

// CPUs that this process may run on now.
unsigned allowed_cpus();

}  // namespace fastmem
