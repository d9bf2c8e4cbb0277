// SPDX-License-Identifier: BSD-3-Clause
// tests/backends/files.h: what the tests of memory in files share: options, backings and regions in short.
#pragma once

#include <doctest/doctest.h>

#include <csignal>
#include <memory>
#include <string>

#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"
#include "tests/backends/made_backing.h"
#include "tests/support/child_process.h"
#include "tests/support/hugetlb_mount.h"

namespace fastmem::test {

inline constexpr Bytes kUnit = kRegionUnit;
inline constexpr Bytes kSpace = kMiB * 256;

inline char* bytes_of(const Region& region) { return static_cast<char*>(region.base); }

inline StandaloneOptions in_memfd(PageKind pages) {
  StandaloneOptions options;
  options.pages = pages;
  options.iova = IovaMode::kNone;
  options.address_space = kSpace;
  options.files = FileKind::kMemfd;
  return options;
}

inline StandaloneOptions in_files(const HugetlbMount& mount, FileKind files, bool keep = false) {
  StandaloneOptions options = in_memfd(PageKind::kAuto);
  options.files = files;
  options.directory = mount.directory();
  options.keep_files = keep;
  return options;
}

// Somebody who has memory in files is killed.
inline void take_and_die(const StandaloneOptions& options, Bytes size, char mark) {
  const auto child = run_in_child([&]() -> std::string {
    auto backing = make(options);
    if (!backing.ok()) return backing.error().text;
    const Result<Region> region = (*backing)->reserve(size, node(), Contiguity::kAny);
    if (!region.ok()) return region.error().text;
    for (std::size_t at = 0; at < size.rep; at += 4096) bytes_of(region.value())[at] = mark;
    raise(SIGKILL);
    return "alive";
  });
  CHECK(child.text == "");
  CHECK(child.signal == SIGKILL);
}

}  // namespace fastmem::test
