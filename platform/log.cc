// SPDX-License-Identifier: BSD-3-Clause
#include "platform/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "platform/check.h"

namespace fastmem {
namespace {

void log_to_stderr(LogLevel level, const char* line, void*) {
  if (level == LogLevel::kInfo) {
    static const char* const wanted = std::getenv("FASTMEM_LOG");
    if (wanted == nullptr || std::strcmp(wanted, "info") != 0) return;
  }
  char out[720];
  const int n = std::snprintf(out, sizeof(out), "fastmem: %s\n", line);
  const auto length = n < 0 ? 0 : n < static_cast<int>(sizeof(out)) ? n : static_cast<int>(sizeof(out)) - 1;
  if (write(STDERR_FILENO, out, static_cast<std::size_t>(length)) < 0) return;  // nowhere left to complain
}

// The callback and its context change together: a reader takes both from one immutable pair.
struct Listener {
  LogCallback callback;
  void* context;
  Listener* older;
};
const Listener g_default = {log_to_stderr, nullptr, nullptr};
std::atomic<const Listener*> g_listener{&g_default};  // release: publishes the pair; pairs with log()
std::atomic<Listener*> g_made{nullptr};  // all that were ever set: within reach, so that leak checkers see no leak

}  // namespace

void set_log(LogCallback callback, void* context) {
  if (callback == nullptr) {
    g_listener.store(&g_default, std::memory_order_release);
    return;
  }
  // A listener that was replaced may still be running in another thread: it is left as it was, a few bytes each time.
  auto* pair = static_cast<Listener*>(std::malloc(sizeof(Listener)));
  if (pair == nullptr) return;
  *pair = {callback, context, g_made.load(std::memory_order_relaxed)};
  while (!g_made.compare_exchange_weak(pair->older, pair, std::memory_order_relaxed)) {
  }
  g_listener.store(pair, std::memory_order_release);
}

void log(LogLevel level, const char* format, ...) {
  char line[700];
  std::va_list args;
  va_start(args, format);
  std::vsnprintf(line, sizeof(line), format, args);
  va_end(args);
  const Listener* const listener = g_listener.load(std::memory_order_acquire);
  listener->callback(level, line, listener->context);
}

void check_failed(const char* expression, const char* file, int line) {
  char out[400];
  const int n = std::snprintf(out, sizeof(out), "fastmem: check failed: %s (%s:%d)\n", expression, file, line);
  if (n > 0 && write(STDERR_FILENO, out, static_cast<std::size_t>(n)) < 0) std::abort();
  std::abort();
}

}  // namespace fastmem
