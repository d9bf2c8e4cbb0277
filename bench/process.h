// SPDX-License-Identifier: BSD-3-Clause
// bench/process.h -- Q: how does the bench keep a worker per allocator, and talk to it?
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "bench/allocators.h"
#include "bench/message.h"
#include "bench/options.h"

namespace bench {

// Owns one worker process; it ends with the object. Movable only.
class Process {
 public:
  Process(const AllocatorInfo& allocator, const Located& located, const ScenarioInfo& scenario, const Options& options);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;

  // The answer; kFailed, with the reason, when the worker died or took longer than kPatience.
  Reply ask(Request request);

 private:
  static constexpr int kPatienceSeconds = 180;

  std::string last_words();

  pid_t pid_ = -1;
  int socket_ = -1;
};

}  // namespace bench
