// SPDX-License-Identifier: BSD-3-Clause
// tests/backends/made_backing.h: standalone backings on this machine that a test cannot do without, and what it asks of them.
#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/standalone/standalone_backing.h"
#include "platform/machine_topology.h"
#include "platform/pages.h"

namespace fastmem::test {

inline NodeId node() { return machine_topology().nodes().front().id; }
inline bool has_free_2m(std::size_t pages) { return read_huge_pages(kMiB * 2).usable() >= pages; }
inline bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline Result<std::unique_ptr<Backing>> make(const StandaloneOptions& options) {
  return make_standalone_backing(options, machine_topology());
}

inline std::unique_ptr<Backing> must_make(const StandaloneOptions& options) {
  auto backing = make(options);
  REQUIRE_MESSAGE(backing.ok(), std::string(backing.ok() ? "" : backing.error().text));
  return std::move(*backing);
}

inline Region must_reserve(Backing& backing, Bytes size) {
  const Result<Region> region = backing.reserve(size, node(), Contiguity::kAny);
  REQUIRE_MESSAGE(region.ok(), std::string(region.ok() ? "" : region.error().text));
  return region.value();
}

inline std::size_t resident_kib(void* at, Bytes size) {
  std::vector<unsigned char> present(size.rep / 4096);
  REQUIRE(mincore(at, size.rep, present.data()) == 0);
  return static_cast<std::size_t>(std::count_if(present.begin(), present.end(), [](auto p) { return (p & 1) != 0; })) *
         4;
}

}  // namespace fastmem::test
