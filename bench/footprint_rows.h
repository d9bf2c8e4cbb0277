// SPDX-License-Identifier: BSD-3-Clause
// bench/footprint_rows.h -- Q: which rows of the table does a footprint run make?
//
//   NAME         resident bytes per live byte when all objects live
//   NAME/freed   the same when nine of ten are gone
//   NAME/books   fastmem's metadata, in per cent of the memory it has from the kernel: the worse of the two moments
#pragma once

#include <vector>

#include "bench/results.h"

namespace bench {

// A row of any other scenario comes back as it is.
std::vector<Row> rows_of(Row measured);

}  // namespace bench
