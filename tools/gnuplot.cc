// SPDX-License-Identifier: BSD-3-Clause
#include "tools/gnuplot.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace fastmem::tools {

// In gnuplot's single quotes only the quote itself is special.
std::string gnuplot_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

bool run_gnuplot(const std::string& commands, std::string& error) {
  int ends[2];
  if (pipe(ends) != 0) {
    error = "no plot: no pipe to gnuplot";
    return false;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  char name[] = "gnuplot";
  char* const arguments[] = {name, nullptr};
  pid_t child = 0;
  const int refused = posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  if (refused != 0) {
    close(ends[1]);
    error = "no plot without gnuplot; to install it: apt-get install gnuplot-nox";
    return false;
  }
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  for (std::size_t at = 0; at < commands.size();) {
    const ssize_t written = write(ends[1], commands.data() + at, commands.size() - at);
    if (written <= 0) break;
    at += static_cast<std::size_t>(written);
  }
  close(ends[1]);
  std::signal(SIGPIPE, before);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return true;
  error = "gnuplot failed; the pictures need its svg and pngcairo terminals (apt-get install gnuplot-nox)";
  return false;
}

}  // namespace fastmem::tools
