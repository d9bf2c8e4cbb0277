// SPDX-License-Identifier: BSD-3-Clause
// tools/trace_info.h -- Q: `fastmem trace-info TRACE`: what is in it?
#pragma once

namespace fastmem::tools {

int trace_info(int argc, char** argv);

}  // namespace fastmem::tools
