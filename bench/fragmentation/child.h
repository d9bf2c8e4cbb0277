// SPDX-License-Identifier: BSD-3-Clause
// bench/fragmentation/child.h -- Q: how does a heap get a process of its own, and its report out of it?
#pragma once

#include <string>

#include "bench/fragmentation/report.h"
#include "bench/fragmentation/workload.h"

namespace bench {

struct Contender {
  std::string name;
  std::string program;  // full path
  std::string preload;  // full path or ""
};

// The report, or one that has only a `failure`.
FragmentationReport run_in_child(const Contender& contender, const FragmentationJob& job);

// The other end. false: the command line is not a child's.
struct ChildCall {
  std::string name;
  int pipe = -1;
  FragmentationJob job;
};
bool is_child(int argc, char** argv, ChildCall& call);
void send_report(const ChildCall& call, const FragmentationReport& report);

}  // namespace bench
