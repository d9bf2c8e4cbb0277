// SPDX-License-Identifier: BSD-3-Clause
// tools/doctor/findings.h -- Q: what can this machine offer to this process? One function per part of the report; the
// probes are in platform/.
#pragma once

#include <string>

#include "platform/pages.h"
#include "tools/doctor/report.h"

namespace fastmem::tools {

// What every part is told: whose files to read, and what they say about pages.
struct Patient {
  std::string root;  // before every path; "": this machine, which can also be asked by system calls
  PageInventory pages;

  bool is_here() const { return root.empty(); }
};
Patient examine(const std::string& root);

Section find_hugetlb_pools(const Patient& patient);  // findings_pages.cc
Section find_hugetlb_mounts(const Patient& patient);
Section find_left_files(const Patient& patient);
Section find_memory(const Patient& patient);  // findings_limits.cc
Section find_limits(const Patient& patient);
Section find_device_addresses(const Patient& patient);  // findings_devices.cc
Section find_kernel(const Patient& patient);            // findings_kernel.cc
Section find_nodes(const Patient& patient);             // findings_nodes.cc
Section find_caches(const Patient& patient);

// Whether the file is there to be read: what comes of one that is not is unknown.
bool can_read(const Patient& patient, const char* file);

// A path or command without the root in it.
std::string without_root(const Patient& patient, const std::string& text);

}  // namespace fastmem::tools
