// SPDX-License-Identifier: BSD-3-Clause
// tests/death/death.h: a misuse as a process of its own, and what it left: the signal and every byte of stderr.
#pragma once

#include <doctest/doctest.h>
#include <fastmem.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <string>

#include "tests/api/c_heap.h"

namespace fastmem::test {

struct Death {
  int signal = 0;
  int status = 0;
  std::string expected;  // what the process said it would say
  std::string said;      // what it wrote to stderr
};

// How a misuse names the message that must come: called before it, with the addresses as they are there.
class Expect {
 public:
  explicit Expect(int fd) : fd_(fd) {}
  [[gnu::format(printf, 2, 3)]] void operator()(const char* format, ...) const {
    char line[512];
    std::va_list args;
    va_start(args, format);
    const int n = std::vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (write(fd_, line, static_cast<std::size_t>(n)) != n) _exit(99);
  }

 private:
  int fd_;
};

inline std::string read_all(int fd) {
  std::string text;
  char buffer[512];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  close(fd);
  return text;
}

// The misuse in a child; it exits with 0 when it outlives the body.
inline Death in_child(const std::function<void(Expect)>& misuse) {
  int expected[2];
  int said[2];
  REQUIRE(pipe(expected) == 0);
  REQUIRE(pipe(said) == 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (const int number : {SIGSEGV, SIGBUS, SIGABRT}) std::signal(number, SIG_DFL);
    dup2(said[1], STDERR_FILENO);
    close(said[0]);
    close(expected[0]);
    misuse(Expect(expected[1]));
    _exit(0);
  }
  close(expected[1]);
  close(said[1]);
  Death death;
  death.said = read_all(said[0]);
  death.expected = read_all(expected[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) death.signal = WTERMSIG(status);
  if (WIFEXITED(status)) death.status = WEXITSTATUS(status);
  return death;
}

// A heap of small pages; what cannot be made ends the process with a status that no test expects.
inline fastmem_heap_t* misused_heap(unsigned misuse) {
  fastmem_config_t config = small_config();
  config.misuse = misuse;
  fastmem_heap_t* const heap = fastmem_heap_create(&config);
  if (heap == nullptr) _exit(98);
  return heap;
}

inline void* must_alloc(fastmem_heap_t* heap, std::size_t size) {
  void* const p = fastmem_heap_alloc(heap, size, 0, 0);
  if (p == nullptr) _exit(97);
  return p;
}

// The calling thread's cache of that size is there and not full: it takes what is freed next without a look, and a
// flush puts its objects into their slabs one by one, where misuse is noticed. (A full magazine goes to the depot as it
// is.)
inline void make_cache_with_room(fastmem_heap_t* heap, std::size_t size) {
  for (int i = 0; i < 3; ++i) must_alloc(heap, size);
}

}  // namespace fastmem::test
