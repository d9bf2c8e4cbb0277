// SPDX-License-Identifier: BSD-3-Clause
#include "platform/iommu.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "platform/text_file.h"

namespace fastmem {
namespace {

void note_type(Iommu& iommu, const char* group, const char* root) {
  char text[sizeof(iommu.type)];
  if (!read_text(FilePath("%s/sys/kernel/iommu_groups/%s/type", root, group), text, sizeof(text))) return;
  text[std::strcspn(text, "\n")] = '\0';
  if (iommu.type[0] == '\0') {
    std::memcpy(iommu.type, text, sizeof(text));
  } else if (std::strcmp(iommu.type, text) != 0) {
    std::snprintf(iommu.type, sizeof(iommu.type), "mixed");
  }
}

void read_groups(Iommu& iommu, const char* root) {
  DIR* const groups = opendir(FilePath("%s/sys/kernel/iommu_groups", root).c_str());
  if (groups == nullptr) return;
  iommu.known = true;
  while (const dirent* const entry = readdir(groups)) {
    if (entry->d_name[0] == '.') continue;
    ++iommu.groups;
    note_type(iommu, entry->d_name, root);
  }
  closedir(groups);
}

void read_vfio(Iommu& iommu, const char* root) {
  const FilePath container("%s/dev/vfio/vfio", root);
  iommu.vfio = access(container.c_str(), F_OK) == 0;
  iommu.vfio_usable = access(container.c_str(), R_OK | W_OK) == 0;
  char text[8];
  const FilePath switched("%s/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", root);
  iommu.vfio_noiommu = read_text(switched, text, sizeof(text)) && text[0] == 'Y';
  DIR* const devices = opendir(FilePath("%s/dev/vfio", root).c_str());
  if (devices == nullptr) return;
  while (const dirent* const entry = readdir(devices)) {  // "17", or "noiommu-0"
    const char* const name = entry->d_name;
    iommu.vfio_groups += (name[0] >= '0' && name[0] <= '9') || std::strncmp(name, "noiommu-", 8) == 0 ? 1 : 0;
  }
  closedir(devices);
}

}  // namespace

Iommu read_iommu(const char* root) {
  Iommu iommu;
  read_groups(iommu, root);
  read_vfio(iommu, root);
  return iommu;
}

}  // namespace fastmem
