// SPDX-License-Identifier: BSD-3-Clause
#include "core/report_lines.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "platform/frame_text.h"
#include "platform/log.h"

namespace fastmem::core {
namespace {

constexpr std::ptrdiff_t kBytesAround = 16;  // before and from the byte concerned on

struct Listener {
  MisuseCallback callback = nullptr;
  void* context = nullptr;
};
// Set rarely, read by whoever fails: which of the two is in force is one store. release: publishes it; pairs with
// call_back().
Listener g_listeners[2];
std::atomic<unsigned> g_current{0};

// By a clock that ticks every few ms.
struct Age {
  explicit Age(std::uint64_t ns) {
    const auto ms = static_cast<unsigned long long>(ns / 1'000'000);
    std::snprintf(text, sizeof(text), ms >= 10'000 ? "%llu s" : "%llu ms", ms >= 10'000 ? ms / 1000 : ms);
  }
  char text[32];
};

void tell_bytes(const MisuseReport& r) {
  if (r.readable.empty()) return;
  const std::byte* const at = static_cast<const std::byte*>(r.object) + r.damage;
  char text[4 * 2 * kBytesAround + 8] = "";
  std::size_t n = 0;
  for (std::ptrdiff_t i = -kBytesAround; i < kBytesAround; ++i) {
    const auto from_start = static_cast<std::size_t>(at + i - r.readable.data());
    if (from_start >= r.readable.size()) continue;
    n += static_cast<std::size_t>(
        std::snprintf(text + n, sizeof(text) - n, i == 0 ? " [%02x]" : " %02x", static_cast<unsigned>(at[i])));
  }
  log(LogLevel::kError, "  bytes around %p:%s", static_cast<const void*>(at), text);
}

}  // namespace

void set_misuse_callback(MisuseCallback callback, void* context) {
  const unsigned next = 1 - g_current.load(std::memory_order_relaxed);
  g_listeners[next] = {callback, context};
  g_current.store(next, std::memory_order_release);
}

const char* name_of(MisuseKind kind) {
  switch (kind) {
    case MisuseKind::kForeignFree:
      return "foreign-free";
    case MisuseKind::kDoubleFree:
      return "double-free";
    case MisuseKind::kInnerFree:
      return "inner-free";
    case MisuseKind::kWrongClass:
      return "wrong-class";
    case MisuseKind::kWrongSize:
      return "wrong-size";
    case MisuseKind::kWrongHandle:
      return "wrong-handle";
    case MisuseKind::kOverrun:
      return "overrun";
    case MisuseKind::kUnderrun:
      return "underrun";
    case MisuseKind::kWriteAfterFree:
      return "write-after-free";
    case MisuseKind::kPinnedFree:
      return "pinned-free";
    case MisuseKind::kNotPinned:
      return "not-pinned";
    case MisuseKind::kAccessAfterFree:
      return "access-after-free";
    case MisuseKind::kAccessBeyond:
      return "access-beyond";
    case MisuseKind::kDeadHeap:
      return "dead-heap";
    case MisuseKind::kLeak:
      return "leak";
    case MisuseKind::kWrittenGuard:
      return "written-guard";
    case MisuseKind::kWrittenBooks:
      return "written-books";
    case MisuseKind::kLost:
      return "lost";
  }
  return "unknown";
}

namespace report {

void tell_trace(const char* what, std::span<void* const> trace) {
  if (trace.empty()) return;
  log(LogLevel::kError, "  %s at:", what);
  for (unsigned i = 0; i < trace.size(); ++i) {
    char frame[300];
    print_frame(frame, sizeof(frame), i, trace[i]);
    log(LogLevel::kError, "    %s", frame);
  }
}

void call_back(const MisuseReport& r) {
  const Listener& l = g_listeners[g_current.load(std::memory_order_acquire)];
  if (l.callback != nullptr) l.callback(r, l.context);
}

void machine_line(const MisuseReport& r, char* out, std::size_t size) {
  const int node = r.node == kAnyNode ? -1 : r.node.rep;
  const int n =
      std::snprintf(out, size, "misuse: kind=%s address=%p object=%p size=%zu class=%zu node=%d heap=%p damage=%td",
                    name_of(r.kind), r.address, r.object, r.size, r.class_size, node, r.heap, r.damage);
  std::size_t used = std::min(n > 0 ? static_cast<std::size_t>(n) : 0, size - 1);
  if (r.count != 0) {
    const int more = std::snprintf(out + used, size - used, " index=%zu count=%zu", r.index, r.count);
    used = std::min(used + (more > 0 ? static_cast<std::size_t>(more) : 0), size - 1);
  }
  if (!r.has_history) return;
  const int more = std::snprintf(out + used, size - used, " allocated-by=%u allocated-ago=%llu noticed-by=%u",
                                 unsigned{r.allocated_by.rep}, static_cast<unsigned long long>(r.allocated_ago),
                                 unsigned{r.noticed_by.rep});
  used = std::min(used + (more > 0 ? static_cast<std::size_t>(more) : 0), size - 1);
  if (!r.was_freed) return;
  std::snprintf(out + used, size - used, " freed-by=%u freed-ago=%llu", unsigned{r.freed_by.rep},
                static_cast<unsigned long long>(r.freed_ago));
}

void tell_history(const MisuseReport& r) {
  if (r.has_history) {
    char freed[80] = "";
    if (r.was_freed) {
      std::snprintf(freed, sizeof(freed), ", freed by slot %u %s ago", unsigned{r.freed_by.rep}, Age(r.freed_ago).text);
    }
    log(LogLevel::kError, "  class %zu, node %u, heap %p; allocated by slot %u %s ago%s; noticed by slot %u",
        r.class_size, unsigned{r.node.rep}, r.heap, unsigned{r.allocated_by.rep}, Age(r.allocated_ago).text, freed,
        unsigned{r.noticed_by.rep});
    tell_bytes(r);
    tell_trace("allocated", r.alloc_trace);
    tell_trace("freed", r.free_trace);
  }
  tell_trace("noticed", {r.noticed_trace, r.noticed_depth});
  char line[600];
  machine_line(r, line, sizeof(line));
  log(LogLevel::kError, "  %s", line);
}

}  // namespace report

}  // namespace fastmem::core
