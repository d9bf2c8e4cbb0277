// SPDX-License-Identifier: BSD-3-Clause
#include "platform/cgroup_files.h"

#include <cstddef>
#include <cstdio>
#include <cstring>

#include "platform/text_file.h"

namespace fastmem {
namespace {

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

Membership read_membership(const char* controller, const char* root) {
  Membership membership;
  LineReader lines(FilePath("%s/proc/self/cgroup", root));
  while (const char* line = lines.next()) {  // "4:hugetlb,misc:/path" or "0::/path"
    char controllers[256] = {};
    char path[kPathSize] = {};
    if (std::sscanf(line, "0::%399[^\n]", path) == 1) {
      std::memcpy(membership.v2, path, sizeof(path));
    } else if (std::sscanf(line, "%*u:%255[^:]:%399[^\n]", controllers, path) == 2 &&
               has_word(controllers, controller)) {
      std::memcpy(membership.v1, path, sizeof(path));
    }
  }
  return membership;
}

// A line of /proc/self/mountinfo: "36 35 98:0 /root /point options [optional ...] - type source super,options".
bool parse_mount(const char* line, const char* controller, Mount& mount) {
  char type[32] = {};
  char super_options[512] = {};
  const char* const tail = std::strstr(line, " - ");
  if (tail == nullptr || std::sscanf(tail, " - %31s %*s %511s", type, super_options) != 2) return false;
  mount.version2 = std::strcmp(type, "cgroup2") == 0;
  if (!mount.version2 && (std::strcmp(type, "cgroup") != 0 || !has_word(super_options, controller))) return false;
  return std::sscanf(line, "%*u %*u %*s %399s %399s", mount.root, mount.point) == 2;
}

// The part of `path` below the cgroup that the mount shows; what lies outside of it is seen as the mount itself.
const char* below(const char* path, const char* mount_root) {
  if (std::strcmp(mount_root, "/") == 0) return std::strstr(path, "/..") == nullptr ? path : "";
  const std::size_t length = std::strlen(mount_root);
  if (std::strncmp(path, mount_root, length) != 0) return "";
  return path[length] == '/' || path[length] == '\0' ? path + length : "";
}

void visit_ancestors(const Mount& mount, const char* path, VisitCgroup visit, void* context, const char* root) {
  char relative[kPathSize];
  std::snprintf(relative, sizeof(relative), "%s", below(path, mount.root));
  if (std::strcmp(relative, "/") == 0) relative[0] = '\0';
  for (;;) {
    const FilePath directory("%s%s%s", root, mount.point, relative);
    visit(context, directory.c_str(), mount.version2);
    char* const slash = std::strrchr(relative, '/');
    if (slash == nullptr) return;
    *slash = '\0';
  }
}

}  // namespace

void for_each_cgroup(const char* controller, VisitCgroup visit, void* context, const char* root) {
  const Membership membership = read_membership(controller, root);
  LineReader lines(FilePath("%s/proc/self/mountinfo", root));
  while (const char* line = lines.next()) {
    Mount mount;
    if (!parse_mount(line, controller, mount)) continue;
    const char* const path = mount.version2 ? membership.v2 : membership.v1;
    if (path[0] != '\0') visit_ancestors(mount, path, visit, context, root);
  }
}

}  // namespace fastmem
