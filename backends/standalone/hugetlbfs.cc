// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/hugetlbfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "platform/page_advice.h"
#include "platform/text_file.h"

namespace fastmem {
namespace {

// /proc/mounts writes a space, a tab, a newline and a backslash as \ and three octal digits.
void unescape(char* text) {
  char* out = text;
  for (const char* in = text; *in != '\0'; ++out) {
    if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] != '\0' && in[3] != '\0') {
      *out = static_cast<char>((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
      in += 4;
    } else {
      *out = *in++;
    }
  }
  *out = '\0';
}

Error explain_not_mounted(Bytes page_size) {
  const char* const size = page_size == kGiB ? "1G" : "2M";
  return make_error(ErrorCode::kUnsupported,
                    "no hugetlbfs for pages of %s that this process may write to is mounted; mount one: sudo mkdir -p "
                    "/dev/hugepages%s && sudo mount -t hugetlbfs -o pagesize=%s,mode=1777 none /dev/hugepages%s",
                    size_text(page_size).text, size, size, size);
}

}  // namespace

Result<HugetlbfsMount> find_hugetlbfs(Bytes page_size, const char* mounts) {
  LineReader lines{FilePath("%s", mounts)};
  while (const char* line = lines.next()) {
    char directory[256];
    char type[32];
    if (std::sscanf(line, "%*s %255s %31s", directory, type) != 2 || std::strcmp(type, "hugetlbfs") != 0) continue;
    unescape(directory);
    Result<HugetlbfsMount> mount = look_at_hugetlbfs(directory);
    if (mount.ok() && mount->page_size == page_size) return mount;
  }
  return explain_not_mounted(page_size);
}

Result<HugetlbfsMount> look_at_hugetlbfs(const char* directory) {
  HugetlbfsMount mount;
  struct statfs status = {};
  if (std::snprintf(mount.directory, sizeof(mount.directory), "%s", directory) >= int{sizeof(mount.directory)}) {
    return make_error(ErrorCode::kInvalid, "directory: a path longer than %zu characters", sizeof(mount.directory) - 1);
  }
  if (statfs(directory, &status) != 0) {
    return make_error(errno == EACCES ? ErrorCode::kPermission : ErrorCode::kNotFound, "directory %s: %s", directory,
                      std::strerror(errno));
  }
  if (status.f_type != HUGETLBFS_MAGIC) {
    return make_error(
        ErrorCode::kInvalid,
        "directory %s is in no hugetlbfs; mount one there: sudo mount -t hugetlbfs -o pagesize=2M none %s", directory,
        directory);
  }
  if (access(directory, W_OK | X_OK) != 0) {
    return make_error(ErrorCode::kPermission, "directory %s: %s; sudo chmod 1777 %s", directory, std::strerror(errno),
                      directory);
  }
  mount.page_size = Bytes{static_cast<std::size_t>(status.f_bsize)};
  return mount;
}

Bytes hugetlbfs_room(int directory) {
  struct statfs status = {};
  // Without size= the kernel tells no blocks at all.
  if (fstatfs(directory, &status) != 0 || status.f_blocks == 0 || status.f_blocks == ~fsblkcnt_t{0}) return kUnlimited;
  return Bytes{static_cast<std::size_t>(status.f_bsize) * static_cast<std::size_t>(status.f_bavail)};
}

Error explain_hugetlbfs_full(const HugetlbfsMount& mount, Bytes asked, Bytes room) {
  return make_error(ErrorCode::kNoMemory,
                    "%s of files asked, the hugetlbfs at %s has room for %s more; mount one with a larger size=: sudo "
                    "mount -t hugetlbfs -o pagesize=%zuM,size=SIZE none DIRECTORY",
                    size_text(asked).text, mount.directory, size_text(room).text, mount.page_size / kMiB);
}

}  // namespace fastmem
