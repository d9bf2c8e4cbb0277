// SPDX-License-Identifier: BSD-3-Clause
#include "platform/hugetlb_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "platform/text_file.h"

namespace fastmem {
namespace {

// ---- mounts

// "2M", "1024K", "4194304"; 0: no size.
Bytes parse_size(const char* text) {
  char* end = nullptr;
  const std::size_t number = std::strtoull(text, &end, 10);
  switch (*end) {
    case 'k':
    case 'K':
      return kKiB * number;
    case 'm':
    case 'M':
      return kMiB * number;
    case 'g':
    case 'G':
      return kGiB * number;
    default:
      return Bytes{number};
  }
}

// The value of `name` (with its "=") in options separated by commas; 0: none.
Bytes size_option(const char* options, const char* name) {
  const std::size_t length = std::strlen(name);
  for (const char* at = options; (at = std::strstr(at, name)) != nullptr; at += length) {
    if (at == options || at[-1] == ',') return parse_size(at + length);
  }
  return Bytes{};
}

// Blanks and other unusual characters stand as \040 in the mount table.
std::string unescaped(const char* text) {
  std::string out;
  for (; *text != '\0'; ++text) {
    const auto digit = [](char c) { return c >= '0' && c <= '7'; };
    if (text[0] == '\\' && digit(text[1]) && digit(text[2]) && digit(text[3])) {
      out += static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
      text += 3;
    } else {
      out += *text;
    }
  }
  return out;
}

// A line of /proc/self/mounts: "device point type options 0 0".
bool parse_mount(const char* line, HugetlbMount& mount) {
  char point[512] = {};
  char type[32] = {};
  char options[512] = {};
  if (std::sscanf(line, "%*s %511s %31s %511s", point, type, options) != 3) return false;
  if (std::strcmp(type, "hugetlbfs") != 0) return false;
  mount.point = unescaped(point);
  mount.page_size = size_option(options, "pagesize=");
  if (const Bytes limit = size_option(options, "size="); limit.rep != 0) mount.limit = limit;
  mount.read_only = std::strcmp(options, "ro") == 0 || std::strncmp(options, "ro,", 3) == 0;
  return true;
}

// ---- who uses a file

struct Candidate {
  dev_t device;
  ino_t inode;
  HugetlbFile file;
};

bool same(const Candidate& candidate, dev_t device, ino_t inode) {
  return candidate.device == device && candidate.inode == inode;
}

void mark_used(std::vector<Candidate>& candidates, dev_t device, ino_t inode) {
  for (Candidate& candidate : candidates) {
    if (same(candidate, device, inode)) candidate.file.use = FileUse::kUsed;
  }
}

// Whoever keeps files locks them, as EAL does: a lock that is held is a use, whoever has it.
bool is_locked(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (fd < 0) return false;
  const bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(fd);
  return locked;
}

void collect(const std::string& directory, unsigned depth, std::size_t most, const char* root,
             std::vector<Candidate>& candidates) {
  DIR* const entries = opendir((root + directory).c_str());
  if (entries == nullptr) return;
  while (const dirent* const entry = readdir(entries)) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    if (candidates.size() >= most) break;
    const std::string path = directory + "/" + entry->d_name;
    struct stat status = {};
    if (lstat((root + path).c_str(), &status) != 0) continue;
    if (S_ISDIR(status.st_mode) && depth > 0) collect(path, depth - 1, most, root, candidates);
    if (!S_ISREG(status.st_mode)) continue;
    Candidate candidate{status.st_dev, status.st_ino, {}};
    candidate.file.path = path;
    candidate.file.held = Bytes{static_cast<std::size_t>(status.st_blocks) * 512};
    candidate.file.use = is_locked((root + path).c_str()) ? FileUse::kUsed : FileUse::kUnused;
    candidates.push_back(candidate);
  }
  closedir(entries);
}

// false: this process may not look.
bool note_maps(std::vector<Candidate>& candidates, const char* process) {
  const FilePath path("%s/maps", process);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno != EACCES && errno != EPERM;
  close(fd);
  LineReader lines(path);
  while (const char* line = lines.next()) {
    unsigned major = 0;
    unsigned minor = 0;
    unsigned long inode = 0;
    if (std::sscanf(line, "%*x-%*x %*s %*x %x:%x %lu", &major, &minor, &inode) != 3 || inode == 0) continue;
    mark_used(candidates, makedev(major, minor), inode);
  }
  return true;
}

bool note_open_files(std::vector<Candidate>& candidates, const char* process) {
  DIR* const files = opendir(FilePath("%s/fd", process).c_str());
  if (files == nullptr) return errno != EACCES && errno != EPERM;
  while (const dirent* const entry = readdir(files)) {
    struct stat status = {};
    const FilePath path("%s/fd/%s", process, entry->d_name);
    if (entry->d_name[0] != '.' && stat(path.c_str(), &status) == 0) {
      mark_used(candidates, status.st_dev, status.st_ino);
    }
  }
  closedir(files);
  return true;
}

// false: there are processes that may not be looked into, or none can be seen at all.
bool note_uses(std::vector<Candidate>& candidates, const char* root) {
  DIR* const processes = opendir(FilePath("%s/proc", root).c_str());
  if (processes == nullptr) return false;
  bool all_seen = true;
  unsigned seen = 0;
  while (const dirent* const entry = readdir(processes)) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    const FilePath process("%s/proc/%s", root, entry->d_name);
    const bool maps = note_maps(candidates, process.c_str());
    const bool files = note_open_files(candidates, process.c_str());
    all_seen = all_seen && maps && files;
    ++seen;
  }
  closedir(processes);
  return all_seen && seen != 0;
}

}  // namespace

std::vector<HugetlbMount> read_hugetlb_mounts(const char* root) {
  std::vector<HugetlbMount> mounts;
  LineReader lines(FilePath("%s/proc/self/mounts", root));
  while (const char* line = lines.next()) {
    HugetlbMount mount;
    if (!parse_mount(line, mount)) continue;
    mount.writable = !mount.read_only && access((root + mount.point).c_str(), W_OK | X_OK) == 0;
    mounts.push_back(mount);
  }
  return mounts;
}

std::vector<HugetlbFile> find_hugetlb_files(const std::vector<HugetlbMount>& mounts, std::size_t most,
                                            const char* root) {
  constexpr unsigned kDepth = 1;
  std::vector<Candidate> candidates;
  for (const HugetlbMount& mount : mounts) collect(mount.point, kDepth, most, root, candidates);
  std::vector<HugetlbFile> files;
  if (candidates.empty()) return files;
  const bool all_seen = note_uses(candidates, root);
  for (Candidate& candidate : candidates) {
    if (!all_seen && candidate.file.use == FileUse::kUnused) candidate.file.use = FileUse::kUnknown;
    files.push_back(candidate.file);
  }
  return files;
}

}  // namespace fastmem
