// SPDX-License-Identifier: BSD-3-Clause
// tests/support/child_process.h: runs a piece of a test in a child of its own, with limits, rights or a cgroup that the
// test program itself must keep; a signal there is a result here.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>

namespace fastmem::test {

struct ChildResult {
  int signal = 0;    // that ended it
  std::string text;  // what the body returned: empty when all was well
};

// The body returns what went wrong, or nothing.
inline ChildResult run_in_child(const std::function<std::string()>& body) {
  ChildResult result;
  int ends[2];
  if (pipe(ends) != 0) return {0, "no pipe"};
  const pid_t child = fork();
  if (child < 0) return {0, "no fork"};
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    for (const int number : {SIGSEGV, SIGBUS, SIGABRT})
      std::signal(number, SIG_DFL);  // not a test program's last words
    std::string text;
    try {
      text = body();
    } catch (...) {  // the child must not go on with the test program
      text = "a REQUIRE failed";
    }
    const bool written = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  char buffer[512];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    result.text.append(buffer, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    result.signal = WTERMSIG(status);
  } else if (WEXITSTATUS(status) != 0 && result.text.empty()) {
    result.text = "exit status " + std::to_string(WEXITSTATUS(status));
  }
  return result;
}

}  // namespace fastmem::test
