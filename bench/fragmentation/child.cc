// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/child.cc -- Q: how does a heap get a process of its own, and its report out of it?
#include "bench/fragmentation/child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {
namespace {

constexpr const char* kChildFlag = "--child";
constexpr int kArguments = 8;

FragmentationReport failure(const std::string& why) {
  FragmentationReport report;
  std::snprintf(report.failure, sizeof report.failure, "%s", why.c_str());
  return report;
}

bool read_all(int from, FragmentationReport& report) {
  auto* at = reinterpret_cast<char*>(&report);
  std::size_t left = sizeof report;
  while (left != 0) {
    const ssize_t n = read(from, at, left);
    if (n <= 0) return false;
    at += n;
    left -= static_cast<std::size_t>(n);
  }
  return true;
}

[[noreturn]] void become(const Contender& contender, const FragmentationJob& job, int pipe) {
  const std::string words[] = {contender.program,
                               kChildFlag,
                               contender.name,
                               std::to_string(pipe),
                               std::to_string(job.heap),
                               std::to_string(job.fill_percent),
                               std::to_string(job.operations),
                               std::to_string(job.seconds)};
  static_assert(sizeof words / sizeof words[0] == kArguments);
  char* argv[kArguments + 1] = {};
  for (int i = 0; i < kArguments; ++i) argv[i] = const_cast<char*>(words[i].c_str());
  fcntl(pipe, F_SETFD, 0);
  if (contender.preload.empty()) {
    unsetenv("LD_PRELOAD");
  } else {
    setenv("LD_PRELOAD", contender.preload.c_str(), 1);
  }
  execv(argv[0], argv);
  std::perror("fragmentation: exec");
  _exit(127);
}

}  // namespace

FragmentationReport run_in_child(const Contender& contender, const FragmentationJob& job) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return failure("no pipe");
  const pid_t pid = fork();
  if (pid == 0) become(contender, job, ends[1]);
  close(ends[1]);
  FragmentationReport report;
  const bool complete = read_all(ends[0], report);
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (complete) return report;
  return failure(WIFSIGNALED(status) ? std::string("killed: ") + strsignal(WTERMSIG(status))
                                     : "ended with status " + std::to_string(WEXITSTATUS(status)));
}

bool is_child(int argc, char** argv, ChildCall& call) {
  if (argc != kArguments || std::strcmp(argv[1], kChildFlag) != 0) return false;
  call.name = argv[2];
  call.pipe = std::atoi(argv[3]);
  call.job.heap = std::strtoull(argv[4], nullptr, 10);
  call.job.fill_percent = static_cast<unsigned>(std::atoi(argv[5]));
  call.job.operations = std::strtoull(argv[6], nullptr, 10);
  call.job.seconds = std::atof(argv[7]);
  return true;
}

void send_report(const ChildCall& call, const FragmentationReport& report) {
  if (write(call.pipe, &report, sizeof report) != static_cast<ssize_t>(sizeof report)) std::perror("fragmentation");
}

}  // namespace bench
