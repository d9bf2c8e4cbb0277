// SPDX-License-Identifier: BSD-3-Clause
#include "platform/cgroup_memory.h"

#include <cstdint>
#include <cstdio>

#include "platform/cgroup_files.h"
#include "platform/text_file.h"

namespace fastmem {
namespace {

void keep_tighter(void* context, const char* directory, bool version2) {
  auto& best = *static_cast<MemoryLimit*>(context);
  const FilePath limit_file("%s/%s", directory, version2 ? "memory.max" : "memory.limit_in_bytes");
  const FilePath used_file("%s/%s", directory, version2 ? "memory.current" : "memory.usage_in_bytes");
  const auto limit = read_number(limit_file);
  constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;  // version 1 writes a number near 2^63 rounded to pages
  if (!limit || *limit >= kNoLimit) return;
  MemoryLimit candidate;
  candidate.found = true;
  candidate.limit = Bytes{static_cast<std::size_t>(*limit)};
  candidate.used = Bytes{static_cast<std::size_t>(read_number(used_file).value_or(0))};
  if (best.found && best.headroom() <= candidate.headroom()) return;
  std::snprintf(candidate.file, sizeof(candidate.file), "%.*s", static_cast<int>(sizeof(candidate.file) - 1),
                limit_file.c_str());
  best = candidate;
}

}  // namespace

MemoryLimit tightest_memory_limit(const char* root) {
  MemoryLimit best;
  for_each_cgroup("memory", keep_tighter, &best, root);
  return best;
}

}  // namespace fastmem
