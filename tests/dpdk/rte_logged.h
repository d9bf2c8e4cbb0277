// SPDX-License-Identifier: BSD-3-Clause
// tests/dpdk/rte_logged.h: how many warnings and errors fastmem logged while the object lived. One at a time; what it
// counts is not printed.
#pragma once

#include <atomic>

#include "platform/log.h"

namespace fastmem::test {

class Logged {
 public:
  Logged() {
    lines_ = 0;
    set_log([](LogLevel level, const char*, void*) { lines_ += level == LogLevel::kInfo ? 0 : 1; }, nullptr);
  }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  ~Logged() { set_log(nullptr, nullptr); }

  int lines() const { return lines_; }

 private:
  static inline std::atomic<int> lines_{0};
};

}  // namespace fastmem::test
