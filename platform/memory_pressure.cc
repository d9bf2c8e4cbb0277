// SPDX-License-Identifier: BSD-3-Clause
#include "platform/memory_pressure.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace fastmem {
namespace {

constexpr std::size_t kPathSize = 256;

// "0::/path" of /proc/self/cgroup.
bool read_own_path(const char* root, char (&path)[kPathSize]) {
  LineReader lines(FilePath("%s/proc/self/cgroup", root));
  while (const char* line = lines.next()) {
    if (std::sscanf(line, "0::%255[^\n]", path) == 1) return std::strcmp(path, "/") != 0;
  }
  return false;
}

// Where a cgroup2 is mounted whose root has `path` below it, and what of the path is below.
bool read_mount(const char* root, const char* path, char (&point)[kPathSize], const char*& below) {
  LineReader lines(FilePath("%s/proc/self/mountinfo", root));
  while (const char* line = lines.next()) {
    char shown[kPathSize] = {};
    const char* const tail = std::strstr(line, " - cgroup2 ");
    if (tail == nullptr || std::sscanf(line, "%*u %*u %*s %255s %255s", shown, point) != 2) continue;
    const std::size_t length = std::strcmp(shown, "/") == 0 ? 0 : std::strlen(shown);
    if (std::strncmp(path, shown, length) != 0 || std::strstr(path, "/..") != nullptr) continue;
    below = path + length;
    return *below == '/' || *below == '\0';
  }
  return false;
}

Error refusal(const char* file, int reason, const char* trigger) {
  const char* const why = std::strerror(reason);
  if (reason == EACCES || reason == EPERM) {
    return make_error(ErrorCode::kPermission, "no \"%s\" on %s (%s): it must be writable", trigger, file, why);
  }
  if (reason == EINVAL) {
    return make_error(
        ErrorCode::kInvalid,
        "%s does not take \"%s\" (%s): windows are 500 ms to 10 s, and without CAP_SYS_RESOURCE multiples "
        "of 2 s; the stall is no longer than the window",
        file, trigger, why);
  }
  return make_error(ErrorCode::kUnsupported, "no pressure stall information in %s (%s); boot with psi=1", file, why);
}

Result<int> open_trigger(const char* file, const char* trigger) {
  const int fd = open(file, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return refusal(file, errno, trigger);
  const auto size = static_cast<ssize_t>(std::strlen(trigger) + 1);
  if (write(fd, trigger, static_cast<std::size_t>(size)) == size) return fd;
  const Error error = refusal(file, errno, trigger);
  close(fd);
  return error;
}

}  // namespace

FilePath own_pressure_file(const char* root) {
  char path[kPathSize] = {};
  char point[kPathSize] = {};
  const char* below = "";
  if (!read_own_path(root, path) || !read_mount(root, path, point, below)) return FilePath("%s", "");
  return FilePath("%s%s%s/memory.pressure", root, point, below);
}

Result<int> open_pressure_trigger(Stall stall, std::uint32_t stall_us, std::uint32_t window_us, const char* root) {
  char trigger[64];
  std::snprintf(trigger, sizeof(trigger), "%s %u %u", stall == Stall::kFull ? "full" : "some", stall_us, window_us);
  const FilePath own = own_pressure_file(root);
  if (own.c_str()[0] != '\0') {
    Result<int> fd = open_trigger(own.c_str(), trigger);
    if (fd.ok()) return fd;
  }
  return open_trigger(FilePath("%s/proc/pressure/memory", root).c_str(), trigger);
}

}  // namespace fastmem
