// SPDX-License-Identifier: BSD-3-Clause
#include "platform/cgroup_hugetlb.h"

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "platform/text_file.h"

namespace fastmem {
namespace {

struct Names {  // of the files of one cgroup version
  const char* limit;
  const char* used;
};
constexpr Names kVersion2[] = {{"max", "current"}, {"rsvd.max", "rsvd.current"}};
constexpr Names kVersion1[] = {{"limit_in_bytes", "usage_in_bytes"}, {"rsvd.limit_in_bytes", "rsvd.usage_in_bytes"}};

constexpr std::size_t kPathSize = 400;

struct Membership {  // of this process, from /proc/self/cgroup
  char v1[kPathSize] = {};
  char v2[kPathSize] = {};
};

struct Mount {
  bool version2 = false;
  char root[kPathSize] = {};  // the cgroup that is seen at `point`
  char point[kPathSize] = {};
};

// Whether `list`, separated by commas, has `word`.
bool has_word(const char* list, const char* word) {
  const std::size_t length = std::strlen(word);
  for (const char* at = list; (at = std::strstr(at, word)) != nullptr; at += length) {
    const bool begins = at == list || at[-1] == ',';
    const bool ends = at[length] == ',' || at[length] == '\0';
    if (begins && ends) return true;
  }
  return false;
}

Membership read_membership(const char* root) {
  Membership membership;
  LineReader lines(FilePath("%s/proc/self/cgroup", root));
  while (const char* line = lines.next()) {  // "4:hugetlb,misc:/path" or "0::/path"
    char controllers[256] = {};
    char path[kPathSize] = {};
    if (std::sscanf(line, "0::%399[^\n]", path) == 1) {
      std::memcpy(membership.v2, path, sizeof(path));
    } else if (std::sscanf(line, "%*u:%255[^:]:%399[^\n]", controllers, path) == 2 &&
               has_word(controllers, "hugetlb")) {
      std::memcpy(membership.v1, path, sizeof(path));
    }
  }
  return membership;
}

// A line of /proc/self/mountinfo: "36 35 98:0 /root /point options [optional ...] - type source super,options".
bool parse_mount(const char* line, Mount& mount) {
  char type[32] = {};
  char super_options[512] = {};
  const char* const tail = std::strstr(line, " - ");
  if (tail == nullptr || std::sscanf(tail, " - %31s %*s %511s", type, super_options) != 2) return false;
  mount.version2 = std::strcmp(type, "cgroup2") == 0;
  if (!mount.version2 && (std::strcmp(type, "cgroup") != 0 || !has_word(super_options, "hugetlb"))) return false;
  return std::sscanf(line, "%*u %*u %*s %399s %399s", mount.root, mount.point) == 2;
}

// The part of `path` below the cgroup that the mount shows; what lies outside of it is seen as the mount itself.
const char* below(const char* path, const char* mount_root) {
  if (std::strcmp(mount_root, "/") == 0) return std::strstr(path, "/..") == nullptr ? path : "";
  const std::size_t length = std::strlen(mount_root);
  if (std::strncmp(path, mount_root, length) != 0) return "";
  return path[length] == '/' || path[length] == '\0' ? path + length : "";
}

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

// From the process's own cgroup up to the one that is mounted.
void keep_tightest_of_ancestors(HugeLimit& best, const Mount& mount, const char* path, const char* size_name,
                                const char* root) {
  char relative[kPathSize];
  std::snprintf(relative, sizeof(relative), "%s", below(path, mount.root));
  for (;;) {
    const FilePath directory("%s%s%s", root, mount.point, relative);
    for (const Names& names : mount.version2 ? kVersion2 : kVersion1) {
      keep_tighter(best, directory.c_str(), names, size_name);
    }
    char* const slash = std::strrchr(relative, '/');
    if (slash == nullptr) return;
    *slash = '\0';
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
  const Membership membership = read_membership(root);
  HugeLimit best;
  LineReader lines(FilePath("%s/proc/self/mountinfo", root));
  while (const char* line = lines.next()) {
    Mount mount;
    if (!parse_mount(line, mount)) continue;
    const char* const path = mount.version2 ? membership.v2 : membership.v1;
    if (path[0] != '\0') keep_tightest_of_ancestors(best, mount, path, size_name, root);
  }
  return best;
}

}  // namespace fastmem
