// SPDX-License-Identifier: BSD-3-Clause
// bench/process.cc -- Q: how does the bench keep a worker per allocator, and talk to it?
#include "bench/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace bench {
namespace {

Reply failed(const std::string& why) {
  Reply reply;
  reply.outcome = Outcome::kFailed;
  std::snprintf(reply.why, sizeof reply.why, "%s", why.c_str());
  return reply;
}

}  // namespace

Process::Process(const AllocatorInfo& allocator, const Located& located, const ScenarioInfo& scenario,
                 const Options& options) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    std::perror("bench: socketpair");
    std::exit(EXIT_FAILURE);
  }
  const std::string socket = std::to_string(ends[1]);
  const std::string pages = std::to_string(options.pages_value());
  const char* arguments[] = {located.program.c_str(), kWorkerFlag,    scenario.name.c_str(),
                             allocator.name.c_str(),  socket.c_str(), options.quick ? "1" : "0",
                             pages.c_str(),           nullptr};
  pid_ = fork();
  if (pid_ == 0) {
    fcntl(ends[1], F_SETFD, 0);
    if (located.preload.empty()) {
      unsetenv("LD_PRELOAD");
    } else {
      setenv("LD_PRELOAD", located.preload.c_str(), 1);
    }
    execv(located.program.c_str(), const_cast<char**>(arguments));
    std::perror("bench: exec");
    _exit(127);
  }
  close(ends[1]);
  socket_ = ends[0];
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), socket_(std::exchange(other.socket_, -1)) {}

Process::~Process() {
  if (socket_ >= 0) close(socket_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
}

Reply Process::ask(Request request) {
  // A worker that has ended may have left an answer that says why: it is read even if the question cannot be sent.
  (void)!send(socket_, &request, sizeof request, MSG_NOSIGNAL);
  pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
  if (poll(&wait, 1, kPatienceSeconds * 1000) == 0) {
    kill(pid_, SIGKILL);
    return failed("no answer in " + std::to_string(kPatienceSeconds) + " s");
  }
  Reply reply;
  const auto receive = [&] { return recv(socket_, &reply, sizeof reply, 0) == static_cast<ssize_t>(sizeof reply); };
  if (receive() || (errno == ECONNRESET && receive())) return reply;  // the reset comes before what was left
  return failed(last_words());
}

std::string Process::last_words() {
  int status = 0;
  const pid_t ended = waitpid(std::exchange(pid_, -1), &status, 0);
  if (ended < 0) return "the worker is gone";
  if (WIFSIGNALED(status)) return std::string("the worker was killed: ") + strsignal(WTERMSIG(status));
  return "the worker ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace bench
