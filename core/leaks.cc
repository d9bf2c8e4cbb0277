// SPDX-License-Identifier: BSD-3-Clause
#include "core/leaks.h"

#include <algorithm>

namespace fastmem::core {

void LeakTotals::add(std::span<LeakGroup> out, TraceId trace, std::size_t size) {
  ++objects;
  bytes += size;
  if (out.empty()) return;
  const auto end = out.begin() + static_cast<std::ptrdiff_t>(groups);
  auto group = std::find_if(out.begin(), end, [trace](const LeakGroup& g) { return g.trace == trace; });
  if (group == end) {
    if (groups < out.size()) {
      ++groups;
      group->trace = trace;
    } else {
      group = out.end() - 1;
      group->trace = 0;
    }
  }
  ++group->objects;
  group->bytes += size;
}

void LeakTotals::sort(std::span<LeakGroup> out) const {
  std::sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(groups),
            [](const LeakGroup& a, const LeakGroup& b) { return a.bytes > b.bytes; });
}

}  // namespace fastmem::core
