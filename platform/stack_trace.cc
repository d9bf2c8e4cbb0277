// SPDX-License-Identifier: BSD-3-Clause
#include "platform/stack_trace.h"

#include <unwind.h>

#include "platform/stack_walk.h"

namespace fastmem {
namespace {

#if defined(__x86_64__)

[[gnu::always_inline]] inline unsigned capture(const void* frame, void** pcs, unsigned most, unsigned skip) {
  StackWalk walk(frame);
  for (; skip > 0; --skip) {
    if (!walk.next()) return 0;
  }
  unsigned n = 0;
  while (n < most) {
    pcs[n++] = reinterpret_cast<void*>(walk.pc());
    if (!walk.next()) break;
  }
  return n;
}

#else

struct Gathered {
  void** pcs;
  unsigned most;
  unsigned skip;
  unsigned n;
};

_Unwind_Reason_Code gather(_Unwind_Context* context, void* into) {
  auto& to = *static_cast<Gathered*>(into);
  int exact = 0;  // where a signal came, not a return address
  auto pc = static_cast<std::uintptr_t>(_Unwind_GetIPInfo(context, &exact));
  if (exact != 0) ++pc;
  if (pc == 0 || to.n == to.most) return _URC_END_OF_STACK;
  if (to.skip > 0) return --to.skip, _URC_NO_REASON;
  to.pcs[to.n++] = reinterpret_cast<void*>(pc);
  return _URC_NO_REASON;
}

// The unwinder begins in the function that calls it.
[[gnu::always_inline]] inline unsigned capture(const void*, void** pcs, unsigned most, unsigned skip) {
  Gathered to{pcs, most, skip + 1, 0};
  _Unwind_Backtrace(gather, &to);
  return to.n;
}

#endif

}  // namespace

[[gnu::noinline]] unsigned capture_stack(void** pcs, unsigned most, unsigned skip) {
  return capture(__builtin_frame_address(0), pcs, most, skip);
}

}  // namespace fastmem
