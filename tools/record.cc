// SPDX-License-Identifier: BSD-3-Clause
#include "tools/record.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/text.h"
#include "tools/trace/reader.h"

namespace fastmem::tools {
namespace {

namespace fs = std::filesystem;

constexpr char kUsage[] =
    "usage: fastmem record [options] -- PROGRAM ARGUMENTS...\n"
    "\n"
    "Runs the program and writes what it allocates. Processes that it starts write to FILE.PID.\n"
    "  -o FILE, --out FILE   default: PROGRAM.trace in this directory\n"
    "  --max BYTES           most bytes of a trace, e.g. 64M (default 256M); then it is cut, and the program goes on\n"
    "  --no-children         only the program itself\n";

struct RecordOptions {
  std::string out;
  std::string max;
  bool children = true;
  char** program = nullptr;
};

int misuse(const std::string& error) {
  std::fprintf(stderr, "fastmem: %s\n%s", error.c_str(), kUsage);
  return 2;
}

bool is_size(const std::string& text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  return !text.empty() && digits != 0 &&
         (digits == std::string::npos || (digits + 1 == text.size() && std::strchr("kKmMgG", text[digits]) != nullptr));
}

// Beside this program in a build tree, or where it is installed.
std::string find_recorder() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* place : {"../lib/fastmem", "recorder", "."}) {
    const fs::path path = here / place / "libfastmem_recorder.so";
    if (fs::exists(path, error)) return fs::weakly_canonical(path, error);
  }
  return "";
}

// ld.so takes blanks and colons in LD_PRELOAD for separators: such a path is given by a name without them.
std::string preloadable(const std::string& path, std::string& link) {
  if (path.find_first_of(" :") == std::string::npos) return path;
  char folder[] = "/tmp/fastmem-XXXXXX";
  if (mkdtemp(folder) == nullptr) return "";
  link = std::string(folder) + "/libfastmem_recorder.so";
  return symlink(path.c_str(), link.c_str()) == 0 ? link : "";
}

void remove_link(const std::string& link) {
  if (link.empty()) return;
  unlink(link.c_str());
  rmdir(fs::path(link).parent_path().c_str());
}

[[noreturn]] void become(const RecordOptions& options, const std::string& recorder) {
  const char* const others = std::getenv("LD_PRELOAD");
  const std::string preload = others == nullptr || *others == '\0' ? recorder : recorder + ":" + others;
  setenv("LD_PRELOAD", preload.c_str(), 1);
  setenv("FASTMEM_TRACE", options.out.c_str(), 1);
  if (!options.max.empty()) setenv("FASTMEM_TRACE_MAX", options.max.c_str(), 1);
  if (!options.children) setenv("FASTMEM_TRACE_CHILDREN", "0", 1);
  execvp(options.program[0], options.program);
  std::fprintf(stderr, "fastmem: cannot run %s: %s\n", options.program[0], std::strerror(errno));
  _exit(127);
}

// The program's status, as a shell gives it.
int run(const RecordOptions& options, const std::string& recorder) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    std::fprintf(stderr, "fastmem: %s\n", std::strerror(errno));
    return 126;
  }
  if (child == 0) become(options, recorder);
  std::signal(SIGINT, SIG_IGN);  // they are the program's; what it wrote is reported in any case
  std::signal(SIGQUIT, SIG_IGN);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void report(const std::string& path) {
  TraceReader trace;
  if (!trace.open(path.c_str())) {
    std::fprintf(stderr, "fastmem: %s\n", trace.error().c_str());
    return;
  }
  std::fprintf(stderr, "fastmem: %s: %s events of %u thread%s in %s%s\n", path.c_str(),
               human_count(trace.events()).c_str(), trace.threads(), trace.threads() == 1 ? "" : "s",
               human_bytes(static_cast<double>(trace.bytes())).c_str(), trace.cut() ? ", cut at the limit" : "");
}

// FILE.PID, from this run.
std::vector<std::string> children_of(const std::string& out, fs::file_time_type since) {
  std::vector<std::string> found;
  const std::string stem = fs::path(out).filename().string() + ".";
  std::error_code error;
  const fs::path folder = fs::path(out).parent_path();
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.empty() ? "." : folder, error)) {
    const std::string name = entry.path().filename();
    if (name.size() <= stem.size() || name.compare(0, stem.size(), stem) != 0) continue;
    if (name.find_first_not_of("0123456789.", stem.size()) != std::string::npos) continue;
    if (entry.last_write_time(error) >= since) found.push_back(folder / name);
  }
  return found;
}

int parse(int argc, char** argv, RecordOptions& options) {
  int i = 0;
  for (; i < argc && argv[i][0] == '-'; ++i) {
    const std::string argument = argv[i];
    if (argument == "--") {
      ++i;
      break;
    }
    if (argument == "--no-children") {
      options.children = false;
    } else if ((argument == "-o" || argument == "--out") && i + 1 < argc) {
      options.out = argv[++i];
    } else if (argument == "--max" && i + 1 < argc) {
      options.max = argv[++i];
      if (!is_size(options.max)) return misuse("--max takes a size such as 64M, not '" + options.max + "'");
    } else {
      return misuse("no such option, or no value for it: " + argument);
    }
  }
  if (i >= argc) return misuse("which program?");
  options.program = argv + i;
  if (options.out.empty()) options.out = fs::path(argv[i]).filename().string() + ".trace";
  return 0;
}

}  // namespace

int record(int argc, char** argv) {
  if (argc > 0 && (std::strcmp(argv[0], "--help") == 0 || std::strcmp(argv[0], "-h") == 0)) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  RecordOptions options;
  if (const int wrong = parse(argc, argv, options); wrong != 0) return wrong;
  const std::string recorder = find_recorder();
  if (recorder.empty()) {
    std::fprintf(stderr, "fastmem: libfastmem_recorder.so is neither beside this program nor in ../lib/fastmem\n");
    return 1;
  }
  std::error_code error;
  fs::remove(options.out, error);
  const fs::file_time_type since = fs::file_time_type::clock::now() - std::chrono::milliseconds(20);
  std::string link;
  const int status = run(options, preloadable(recorder, link));
  remove_link(link);
  if (!fs::exists(options.out, error)) {
    std::fprintf(stderr, "fastmem: no trace was written; statically linked and set-user-ID programs have none\n");
    return status == 0 ? 1 : status;
  }
  report(options.out);
  for (const std::string& path : children_of(options.out, since)) report(path);
  return status;
}

}  // namespace fastmem::tools
