// SPDX-License-Identifier: BSD-3-Clause
#include "platform/cgroup_hugetlb.h"

#include <cstdint>
#include <cstdio>

#include "platform/cgroup_files.h"
#include "platform/text_file.h"

namespace fastmem {
namespace {

struct Names {  // of the files of one cgroup version
  const char* limit;
  const char* used;
};
constexpr Names kVersion2[] = {{"max", "current"}, {"rsvd.max", "rsvd.current"}};
constexpr Names kVersion1[] = {{"limit_in_bytes", "usage_in_bytes"}, {"rsvd.limit_in_bytes", "rsvd.usage_in_bytes"}};

void keep_tighter(HugeLimit& best, const char* directory, const Names& names, const char* size_name) {
  const FilePath limit_file("%s/hugetlb.%s.%s", directory, size_name, names.limit);
  const FilePath used_file("%s/hugetlb.%s.%s", directory, size_name, names.used);
  const auto limit = read_number(limit_file);
  if (!limit) return;
  constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;  // version 1 writes a number near 2^63 rounded to pages
  if (*limit >= kNoLimit) return;
  HugeLimit candidate;
  candidate.found = true;
  candidate.limit = Bytes{static_cast<std::size_t>(*limit)};
  candidate.used = Bytes{static_cast<std::size_t>(read_number(used_file).value_or(0))};
  if (best.found && best.headroom() <= candidate.headroom()) return;
  std::snprintf(candidate.file, sizeof(candidate.file), "%.*s", static_cast<int>(sizeof(candidate.file) - 1),
                limit_file.c_str());
  best = candidate;
}

struct Search {
  HugeLimit best;
  const char* size_name;
};

void look_into(void* context, const char* directory, bool version2) {
  auto& search = *static_cast<Search*>(context);
  for (const Names& names : version2 ? kVersion2 : kVersion1) {
    keep_tighter(search.best, directory, names, search.size_name);
  }
}

}  // namespace

HugeLimit tightest_huge_limit(Bytes page_size, const char* root) {
  char size_name[16];
  if (page_size >= kGiB) {
    std::snprintf(size_name, sizeof(size_name), "%zuGB", page_size / kGiB);
  } else {
    std::snprintf(size_name, sizeof(size_name), "%zuMB", page_size / kMiB);
  }
  Search search{{}, size_name};
  for_each_cgroup("hugetlb", look_into, &search, root);
  return search.best;
}

}  // namespace fastmem
