// SPDX-License-Identifier: BSD-3-Clause
// tools/doctor/options.h -- Q: what was the doctor asked?
#pragma once

#include <optional>
#include <string>

#include "tools/doctor/need.h"

namespace fastmem::tools {

struct DoctorOptions {
  bool json = false;
  bool help = false;
  std::string root;
  std::optional<Need> need;
  std::optional<NeedKind> pages;
};

extern const char kDoctorUsage[];

// false: `error` says what is wrong.
bool parse_doctor_options(int argc, char** argv, DoctorOptions& options, std::string& error);

}  // namespace fastmem::tools
