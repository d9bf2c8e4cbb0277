// SPDX-License-Identifier: BSD-3-Clause
// tests/golden/instruction_count.h: how many instructions does a call execute? Counted one by one, in a child process
// that is single-stepped: the same on every machine of an architecture, however busy it is.
#pragma once

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <optional>

namespace fastmem::test {

#if defined(__x86_64__)

namespace stepping {

inline constexpr unsigned char kBreakpoint = 0xcc;

[[gnu::noinline]] inline void between_breakpoints(void (*body)()) {
  asm volatile("int3" ::: "memory");
  body();
  asm volatile("int3" ::: "memory");
}

[[noreturn]] inline void run_child(const std::function<bool()>& prepare, void (*body)()) {
  alarm(60);
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0 || !prepare()) _exit(2);
  body();  // symbols are bound, caches filled
  between_breakpoints(body);
  _exit(0);
}

// To the first breakpoint; signals on the way are the child's own business.
inline bool reach_breakpoint(pid_t child) {
  int status = 0;
  int signal = 0;
  for (;;) {
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return false;
    if (WSTOPSIG(status) == SIGTRAP) return true;
    signal = WSTOPSIG(status);
    if (ptrace(PTRACE_CONT, child, nullptr, signal) != 0) return false;
  }
}

inline bool at_breakpoint(pid_t child) {
  user_regs_struct registers{};
  if (ptrace(PTRACE_GETREGS, child, nullptr, &registers) != 0) return true;
  const long word = ptrace(PTRACE_PEEKTEXT, child, registers.rip, nullptr);
  return static_cast<unsigned char>(word) == kBreakpoint;
}

}  // namespace stepping

// Of one body() that follows another one, the call itself included. Nothing: processes may not be traced here, or
// prepare() said no.
inline std::optional<unsigned> count_instructions(const std::function<bool()>& prepare, void (*body)()) {
  const pid_t child = fork();
  if (child == 0) stepping::run_child(prepare, body);
  std::optional<unsigned> count;
  if (child > 0 && stepping::reach_breakpoint(child)) {
    unsigned steps = 0;
    int status = 0;
    while (!stepping::at_breakpoint(child)) {
      if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0 || waitpid(child, &status, 0) != child) break;
      ++steps;
    }
    count = steps;
    kill(child, SIGKILL);
  }
  waitpid(child, nullptr, 0);
  return count;
}

#else

inline std::optional<unsigned> count_instructions(const std::function<bool()>&, void (*)()) { return {}; }

#endif

}  // namespace fastmem::test
