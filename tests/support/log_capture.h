// SPDX-License-Identifier: BSD-3-Clause
// tests/support/log_capture.h: what was logged while the object lived. One at a time.
#pragma once

#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "platform/log.h"

namespace fastmem::test {

class LogCapture {
 public:
  // One listener for the whole program: each set_log() keeps its predecessor's few bytes for good.
  LogCapture() {
    static const bool listening = (set_log(note, nullptr), true);
    static_cast<void>(listening);
    const std::lock_guard guard(mutex_);
    current_ = this;
  }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  ~LogCapture() {
    const std::lock_guard guard(mutex_);
    current_ = nullptr;
  }

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

  static void note(LogLevel level, const char* line, void* /*context*/) {
    const std::lock_guard guard(mutex_);
    if (current_ != nullptr) {
      current_->lines_.push_back({level, line});
    } else if (level != LogLevel::kInfo) {
      std::fprintf(stderr, "fastmem: %s\n", line);
    }
  }

  static inline std::mutex mutex_;
  static inline LogCapture* current_ = nullptr;
  std::vector<Line> lines_;
};

}  // namespace fastmem::test
