// SPDX-License-Identifier: BSD-3-Clause
// Where libdw-dev is not installed.
#include "tools/symbolize/places.h"

namespace fastmem::tools {

bool has_libdw() { return false; }

Places places_by_libdw(const std::string&, const std::vector<std::uint64_t>&) { return {}; }

}  // namespace fastmem::tools
