// SPDX-License-Identifier: BSD-3-Clause
// Prints a stack trace as a report has it: of main, a function, and one that was inlined into it.
#include <cstdio>

#include "platform/frame_text.h"
#include "platform/stack_trace.h"

namespace symbolized {

[[gnu::noinline]] void print_trace() {
  void* pcs[3];
  const unsigned n = fastmem::capture_stack(pcs, 3);
  for (unsigned i = 0; i < n; ++i) {
    char text[1200];
    fastmem::print_frame(text, sizeof(text), i, pcs[i]);
    std::printf("fastmem:     %s\n", text);
  }
}

struct Inner {
  [[gnu::always_inline]] static void call(int depth) {
    std::printf("fastmem: a report\n");
    print_trace();  // line 23
    std::printf("depth %d\n", depth);
  }
};

[[gnu::noinline]] void outer(int depth) {
  Inner::call(depth);  // line 29
  asm volatile("" ::: "memory");
}

}  // namespace symbolized

int main(int argc, char**) {
  symbolized::outer(argc);  // line 36
  std::printf("that was #9 0x1f in /nowhere/library.so+0x10\n");
  return 0;
}
