// SPDX-License-Identifier: BSD-3-Clause
// tools/symbolize/build_id.h -- Q: do two files come from the same build?
#pragma once

#include <string>

namespace fastmem::tools {

// The build ID that the linker gave a program or library, which its separate debug file has, too. "": none, or not such a
// file.
std::string build_id(const std::string& file);

}  // namespace fastmem::tools
