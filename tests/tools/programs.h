// SPDX-License-Identifier: BSD-3-Clause
// tests/tools/programs.h: runs a program as a shell would, and keeps what it said.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "tests/tools/temporary.h"

namespace fastmem::test {

// A program that the build file named in the environment, as an absolute path.
inline std::string program(const char* variable) {
  const char* const path = std::getenv(variable);
  return path == nullptr ? "" : std::filesystem::absolute(path).string();
}

inline std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

struct Ran {
  int status = 0;  // the exit status; 128 + n when ended by signal n
  std::string out;
  std::string err;
};

inline Ran run(const Temporary& folder, const std::string& command) {
  const std::string out = folder / "stdout";
  const std::string err = folder / "stderr";
  const int status = std::system(("{ " + command + "; } >" + shell_quoted(out) + " 2>" + shell_quoted(err)).c_str());
  Ran ran{WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), read_text(out), read_text(err)};
  std::filesystem::remove(out);
  std::filesystem::remove(err);
  return ran;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace fastmem::test
