// SPDX-License-Identifier: BSD-3-Clause
// tests/support/log_capture.h: what was logged while the object lived.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "platform/log.h"

namespace fastmem::test {

class LogCapture {
 public:
  LogCapture() { set_log(note, this); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  ~LogCapture() { set_log(nullptr, nullptr); }

  // How many lines of this level have `part` in them.
  int count(LogLevel level, const std::string& part) const {
    const std::lock_guard guard(mutex_);
    int n = 0;
    for (const Line& line : lines_) n += line.level == level && line.text.find(part) != std::string::npos ? 1 : 0;
    return n;
  }

 private:
  struct Line {
    LogLevel level;
    std::string text;
  };

  static void note(LogLevel level, const char* line, void* context) {
    auto* const self = static_cast<LogCapture*>(context);
    const std::lock_guard guard(self->mutex_);
    self->lines_.push_back({level, line});
  }

  mutable std::mutex mutex_;
  std::vector<Line> lines_;
};

}  // namespace fastmem::test
