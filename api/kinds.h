// SPDX-License-Identifier: BSD-3-Clause
// api/kinds.h -- floor 3 (api). A Config's kinds of memory become one backing.
#pragma once

#include <memory>

#include "api/fastmem.hpp"
#include "backends/kinds/kinds_backing.h"

namespace fastmem {

Result<std::unique_ptr<KindsBacking>> make_kinds(const Config& config, const Topology& machine);

// Their limits, once there is a heap.
void limit_kinds(core::Heap& heap, const Config& config);

}  // namespace fastmem
