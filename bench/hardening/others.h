// SPDX-License-Identifier: BSD-3-Clause
// bench/hardening/others.h -- Q: what do hardened allocators of others take for the same, where they are installed?
#pragma once

#include <string>
#include <vector>

#include "bench/hardening/scenarios.h"

namespace bench::hardening {

struct Other {
  std::string name;
  std::string preload;  // "": the C library's malloc
};

// Those that are on this machine; in `missing` the names of those that are not.
std::vector<Other> others(std::string& missing);

// In a process of its own, which is this program again. false: it failed.
bool measure_other(const Other& other, std::size_t objects, Figures& out);

// What that process does.
int run_as_other(std::size_t objects);

}  // namespace bench::hardening
