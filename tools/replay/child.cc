// SPDX-License-Identifier: BSD-3-Clause
#include "tools/replay/child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tools/replay/plan.h"
#include "tools/text.h"

namespace fastmem::tools {
namespace {

constexpr int kAnswer = 3;  // the pipe, in the child
constexpr int kNotInstalled = 77;
// In the place of the limit:
constexpr char kAskLimit[] = "limit";
constexpr char kAskInstalled[] = "installed";

struct Ended {
  int status = 0;
  std::string answer;
};

// In the child, after fork. ld.so complains on stderr about a library that is not there: not while we probe.
[[noreturn]] void become(const AllocatorInfo& allocator, const std::string& limit, const std::string& trace, int answer,
                         bool quiet) {
  if (answer == kAnswer) {
    fcntl(answer, F_SETFD, 0);
  } else {
    dup2(answer, kAnswer);
  }
  if (quiet) dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
  if (allocator.library[0] != '\0') {
    setenv("LD_PRELOAD", allocator.library, 1);
  } else {
    unsetenv("LD_PRELOAD");
  }
  execl("/proc/self/exe", "fastmem", kChildCommand, allocator.name, limit.c_str(), trace.c_str(), nullptr);
  _exit(126);
}

Ended start_and_wait(const AllocatorInfo& allocator, const std::string& limit, const std::string& trace, bool quiet) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {-1, "no pipe"};
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return {-1, "no process"};
  if (child == 0) become(allocator, limit, trace, ends[1], quiet);
  close(ends[1]);
  Ended ended;
  char buffer[1024];
  for (;;) {
    const ssize_t got = read(ends[0], buffer, sizeof(buffer));
    if (got > 0) ended.answer.append(buffer, static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) break;
  }
  close(ends[0]);
  while (waitpid(child, &ended.status, 0) < 0 && errno == EINTR) {
  }
  return ended;
}

std::string encode(const PlayResult& r) {
  return format("%.9f %.9f %.9f %llu %llu %.0f %.0f %llu %llu %llu %llu\n", r.start_seconds, r.seconds, r.cpu_seconds,
                static_cast<unsigned long long>(r.ops), static_cast<unsigned long long>(r.allocs), r.alloc_cycles,
                r.free_cycles, static_cast<unsigned long long>(r.large_objects),
                static_cast<unsigned long long>(r.large_bytes), static_cast<unsigned long long>(r.peak_rss),
                static_cast<unsigned long long>(r.rss_at_peak));
}

bool decode(const std::string& text, PlayResult& r) {
  unsigned long long n[6] = {};
  const int got =
      std::sscanf(text.c_str(), "%lf %lf %lf %llu %llu %lf %lf %llu %llu %llu %llu", &r.start_seconds, &r.seconds,
                  &r.cpu_seconds, &n[0], &n[1], &r.alloc_cycles, &r.free_cycles, &n[2], &n[3], &n[4], &n[5]);
  r.ops = n[0];
  r.allocs = n[1];
  r.large_objects = n[2];
  r.large_bytes = n[3];
  r.peak_rss = n[4];
  r.rss_at_peak = n[5];
  return got == 11;
}

void answer(const std::string& text) {
  [[maybe_unused]] const ssize_t written = write(kAnswer, text.data(), text.size());
}

}  // namespace

std::uint64_t limit_in_child() {
  const Ended ended = start_and_wait(*find_allocator("fastmem"), kAskLimit, "", false);
  std::uint64_t limit = 0;
  return parse_number(ended.answer.c_str(), 1, UINT64_MAX, limit) ? limit : 0;
}

bool installed(const AllocatorInfo& allocator) {
  if (allocator.library[0] == '\0') return true;
  const Ended ended = start_and_wait(allocator, kAskInstalled, "", true);
  return WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0;
}

PlayResult play_in_child(const AllocatorInfo& allocator, std::uint64_t limit, const std::string& trace) {
  const Ended ended = start_and_wait(allocator, std::to_string(limit), trace, false);
  PlayResult result;
  if (WIFSIGNALED(ended.status)) {
    result.error = format("ended by signal %d (%s)", WTERMSIG(ended.status), strsignal(WTERMSIG(ended.status)));
  } else if (ended.status != 0) {
    result.error = ended.answer.empty() ? format("exit status %d", WEXITSTATUS(ended.status)) : ended.answer;
  } else if (!decode(ended.answer, result)) {
    result.error = "no answer";
  }
  while (!result.error.empty() && result.error.back() == '\n') result.error.pop_back();
  return result;
}

int replay_child(int argc, char** argv) {
  const AllocatorInfo* const info = argc == 3 ? find_allocator(argv[0]) : nullptr;
  if (info == nullptr || fcntl(kAnswer, F_GETFD) < 0) return 2;
  if (info->library[0] != '\0' && !provides_malloc(info->library)) return kNotInstalled;
  const std::string question = argv[1];
  if (question == kAskInstalled) return 0;
  if (question == kAskLimit) {
    answer(std::to_string(fastmem_limit()));
    return 0;
  }
  std::uint64_t limit = 0;
  if (!parse_number(argv[1], 1, UINT64_MAX, limit)) return 2;
  Plan plan;
  {
    TraceReader trace;
    if (!trace.open(argv[2])) {
      answer(trace.error());
      return 1;
    }
    plan = make_plan(trace, summarize(trace));
  }
  const bool ours = std::strcmp(info->name, "fastmem") == 0;
  if (ours) silence_fastmem();  // who asked for the limit has shown them
  const PlayResult result = play(plan, ours ? fastmem_allocator() : process_allocator(), limit);
  answer(result.error.empty() ? encode(result) : result.error);
  return result.error.empty() ? 0 : 1;
}

}  // namespace fastmem::tools
