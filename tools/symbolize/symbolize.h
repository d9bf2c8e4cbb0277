// SPDX-License-Identifier: BSD-3-Clause
// tools/symbolize/symbolize.h -- Q: `fastmem symbolize`: where in the source are the frames of a report?
#pragma once

namespace fastmem::tools {

int symbolize(int argc, char** argv);

}  // namespace fastmem::tools
