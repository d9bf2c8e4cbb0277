// SPDX-License-Identifier: BSD-3-Clause
// tools/record.h -- Q: `fastmem record -- PROG ARGS`: how does a program run under the recorder?
#pragma once

namespace fastmem::tools {

int record(int argc, char** argv);

}  // namespace fastmem::tools
