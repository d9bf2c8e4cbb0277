// SPDX-License-Identifier: BSD-3-Clause
// tools/symbolize/places.h -- Q: which function and line is an address of a file?
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fastmem::tools {

struct Place {
  std::string function;  // "": not known
  std::string file;      // "": not known
  unsigned line = 0;
};

// For each address the places that it is at, innermost first: more than one where functions were inlined. Addresses of
// which nothing is known are left out.
using Places = std::map<std::uint64_t, std::vector<Place>>;

// By libdw, which also looks for debug information in files of its own, below /usr/lib/debug and by debuglink.
bool has_libdw();
Places places_by_libdw(const std::string& file, const std::vector<std::uint64_t>& addresses);

// By running addr2line of binutils. Nothing where there is none.
Places places_by_addr2line(const std::string& file, const std::vector<std::uint64_t>& addresses);

}  // namespace fastmem::tools
