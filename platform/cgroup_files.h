// SPDX-License-Identifier: BSD-3-Clause
// platform/cgroup_files.h -- floor 0. Where are the files of the cgroups that bind this process? Versions 1 and 2.
#pragma once

namespace fastmem {

// Calls `visit` with the directory of the process's own cgroup and of every ancestor that it can see, in each hierarchy
// that has the controller ("hugetlb", "memory"). In version 2 every mount is visited: whether the controller is on
// there, its files tell. `root` is put before every path, for tests.
using VisitCgroup = void (*)(void* context, const char* directory, bool version2);
void for_each_cgroup(const char* controller, VisitCgroup visit, void* context, const char* root = "");

}  // namespace fastmem
