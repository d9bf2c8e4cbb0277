// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/region_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "backends/standalone/page_choice.h"
#include "platform/log.h"
#include "platform/page_advice.h"
#include "platform/text_file.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

namespace fastmem {
namespace {

constexpr std::size_t kBlock = 512;  // of st_blocks

bool is_locked_by_me(int fd) { return flock(fd, LOCK_EX | LOCK_NB) == 0; }

struct stat status_of(int fd) {
  struct stat status = {};
  fstat(fd, &status);
  return status;
}

// In a directory that everybody may write to, a file of somebody else's must not become a heap.
bool belongs_to_me(int fd) {
  const struct stat status = status_of(fd);
  return S_ISREG(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & 077) == 0;
}

Error explain_not_mine(const char* directory, const char* name) {
  return make_error(ErrorCode::kPermission, "file %s/%s is not this user's alone; choose another file_prefix",
                    directory, name);
}

Error explain_file(const char* what, const char* name, int error) {
  const char* const advice = error == EMFILE || error == ENFILE ? "; raise ulimit -n, or use one file for all regions"
                             : error == ENOSPC                  ? "; the mount's nr_inodes= or size= is used up"
                                                                : "";
  const bool short_of = error == EMFILE || error == ENFILE || error == ENOSPC || error == ENOMEM;
  return make_error(short_of                            ? ErrorCode::kNoMemory
                    : error == EACCES || error == EPERM ? ErrorCode::kPermission
                                                        : ErrorCode::kUnsupported,
                    "%s %s: %s%s", what, name, std::strerror(error), advice);
}

// Beyond RLIMIT_FSIZE the kernel would send SIGXFSZ.
Error set_size(int fd, std::uint64_t size, const char* name) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size) {
    return make_error(ErrorCode::kNoMemory, "file %s: %s are beyond the limit on file sizes; ulimit -f unlimited", name,
                      size_text(Bytes{size}).text);
  }
  if (ftruncate(fd, static_cast<off_t>(size)) == 0) return {};
  return explain_file("size of file", name, errno);
}

// Every name in the directory that begins with the prefix and a dot.
template <class Visit>
void for_each_name(int directory, const char* prefix, Visit visit) {
  const int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const all = again >= 0 ? fdopendir(again) : nullptr;
  if (all == nullptr) {
    if (again >= 0) close(again);
    return;
  }
  const std::size_t length = std::strlen(prefix);
  while (const dirent* const entry = readdir(all)) {
    if (std::strncmp(entry->d_name, prefix, length) == 0 && entry->d_name[length] == '.') {
      visit(entry->d_name, entry->d_name + length + 1);
    }
  }
  closedir(all);
}

FilePath name_of(const char* prefix, NodeId node, std::uint32_t number) {
  return FilePath("%s.n%u-%u", prefix, unsigned{node.rep}, number);
}

}  // namespace

RegionFiles::~RegionFiles() {
  for (unsigned i = 0; i < lists_; ++i) close(list_[i].fd);
  for (std::size_t i = 0; i < spares_; ++i) {
    if (spare_[i].fd >= 0) close(spare_[i].fd);
  }
  if (lock_ >= 0) {
    if (getpid() == owner_) unlinkat(directory_, FilePath("%s.lock", prefix_).c_str(), 0);
    close(lock_);
  }
  if (directory_ >= 0) close(directory_);
}

// ---- when the backing is made

Error RegionFiles::open(const StandaloneOptions& options, const HugetlbfsMount& mount, std::span<const PageKind> kinds,
                        const Topology& topology, Bytes window) {
  files_ = options.files;
  if (!used()) return {};
  if (files_ == FileKind::kMemfd) return open_lists(kinds, topology, window);
  keep_ = options.keep_files;
  mount_ = mount;
  const char* const prefix = options.file_prefix != nullptr ? options.file_prefix : "fastmem";
  if (std::strlen(prefix) >= sizeof(prefix_) || prefix[0] == '\0' || std::strpbrk(prefix, "/.") != nullptr) {
    return make_error(ErrorCode::kInvalid, "file_prefix: 1 to %zu characters without '/' and '.'", sizeof(prefix_) - 1);
  }
  std::snprintf(prefix_, sizeof(prefix_), "%s", prefix);
  if (const Error error = open_directory(); !error.ok()) return error;
  if (!keep_) {
    remove_stale();
  } else if (const Error error = lock_prefix(); !error.ok()) {
    return error;
  }
  if (files_ == FileKind::kHugetlbfsList) return open_lists(kinds, topology, window);
  return keep_ ? collect_spares() : Error{};
}

Error RegionFiles::open_directory() {
  directory_ = ::open(mount_.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return directory_ >= 0 ? Error{} : explain_file("directory", mount_.directory, errno);
}

Error RegionFiles::lock_prefix() {
  const FilePath name("%s.lock", prefix_);
  for (;;) {
    lock_ = openat(directory_, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock_ < 0) return explain_file("file", name.c_str(), errno);
    if (!belongs_to_me(lock_)) {
      close(std::exchange(lock_, -1));
      return explain_not_mine(mount_.directory, name.c_str());
    }
    if (!is_locked_by_me(lock_)) {
      close(std::exchange(lock_, -1));
      return make_error(ErrorCode::kBusy,
                        "files of prefix %s in %s are kept by another process, or backing, that lives; choose another "
                        "file_prefix",
                        prefix_, mount_.directory);
    }
    if (status_of(lock_).st_nlink != 0) return {};
    close(lock_);  // removed between open() and flock()
  }
}

void RegionFiles::remove_stale() {
  for_each_name(directory_, prefix_, [this](const char* name, const char*) {
    const int fd = openat(directory_, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    if (belongs_to_me(fd) && is_locked_by_me(fd) && unlinkat(directory_, name, 0) == 0) {
      log(LogLevel::kInfo, "standalone backing: removed %s/%s, which a dead process left behind", mount_.directory,
          name);
    }
    close(fd);
  });
}

Error RegionFiles::open_lists(std::span<const PageKind> kinds, const Topology& topology, Bytes window) {
  for (const PageKind kind : kinds) {
    for (const NodeInfo& node : topology.nodes()) {
      if (node.memory.rep == 0 || lists_ == list_.size()) continue;
      if (const Error error = open_list(kind, node.id, window); !error.ok()) return error;
    }
  }
  return {};
}

Error RegionFiles::open_list(PageKind kind, NodeId node, Bytes window) {
  FilePath name("fastmem-n%u", unsigned{node.rep});
  int fd = -1;
  if (files_ == FileKind::kMemfd) {
    const int size_flag = std::countr_zero(page_size_of(kind).rep) << MFD_HUGE_SHIFT;
    const unsigned huge = is_hugetlb(kind) ? MFD_HUGETLB | static_cast<unsigned>(size_flag) : 0;
    fd = memfd_create(name.c_str(), MFD_CLOEXEC | huge);
  } else if (keep_) {
    name = FilePath("%s.n%u", prefix_, unsigned{node.rep});
    fd = openat(directory_, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  } else {
    Spare made{};
    if (const Error error = make_file(node, made); !error.ok()) return error;
    fd = made.fd;
  }
  if (fd < 0) return explain_file("file", name.c_str(), errno);
  if (keep_ && !belongs_to_me(fd)) {
    close(fd);
    return explain_not_mine(mount_.directory, name.c_str());
  }
  if (const Error error = set_size(fd, window.rep, name.c_str()); !error.ok()) {
    close(fd);
    return error;
  }
  if (files_ != FileKind::kMemfd) is_locked_by_me(fd);  // so that nobody takes it for a dead process's
  list_[lists_++] = {kind, node, fd, status_of(fd).st_blocks != 0};
  return {};
}

Error RegionFiles::collect_spares() {
  std::size_t found = 0;
  for_each_name(directory_, prefix_, [&found](const char*, const char*) { ++found; });
  spare_.reset(new (std::nothrow) Spare[found + 1]);
  if (spare_ == nullptr) return make_error(ErrorCode::kNoMemory, "no memory for the names of %zu files", found);
  for_each_name(directory_, prefix_, [found, this](const char* name, const char* rest) {
    unsigned node = 0;
    unsigned number = 0;
    int length = 0;
    if (std::sscanf(rest, "n%u-%u%n", &node, &number, &length) != 2 || rest[length] != '\0') return;
    if (node >= kAnyNode.rep || spares_ == found) return;
    const int fd = openat(directory_, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    if (!belongs_to_me(fd) || !is_locked_by_me(fd)) {
      close(fd);
      return;
    }
    const Bytes size{static_cast<std::size_t>(status_of(fd).st_size)};
    spare_[spares_++] = {fd, number, NodeId{static_cast<std::uint16_t>(node)}, size};
    if (number >= next_number_.load(std::memory_order_relaxed)) {
      next_number_.store(number + 1, std::memory_order_relaxed);
    }
  });
  return {};
}

// ---- regions come and go

Result<RegionFiles::Taken> RegionFiles::take(PageKind kind, NodeId node, std::uint64_t window_offset, Bytes size) {
  if (files_ == FileKind::kHugetlbfs) return take_file(node, size);
  for (unsigned i = 0; i < lists_; ++i) {
    const List& list = list_[i];
    if (list.kind != kind || list.node != node) continue;
    return Taken{{list.fd, window_offset}, 0, list.dirty, list.dirty ? size : Bytes{}};
  }
  return make_error(ErrorCode::kUnsupported, "no file for %s of node %u", describe(kind), unsigned{node.rep});
}

Result<RegionFiles::Taken> RegionFiles::take_file(NodeId node, Bytes size) {
  Spare file = take_spare(node, size);
  const bool was_left = file.fd >= 0;
  if (!was_left) {
    if (const Error error = make_file(node, file); !error.ok()) return error;
  }
  if (const Error error = set_size(file.fd, size.rep, prefix_); !error.ok()) {
    give({file.fd, 0}, file.number, node, size);
    return error;
  }
  const Bytes present{was_left ? static_cast<std::size_t>(status_of(file.fd).st_blocks) * kBlock : 0};
  return Taken{{file.fd, 0}, file.number, present.rep != 0, present};
}

// The one that fits best.
RegionFiles::Spare RegionFiles::take_spare(NodeId node, Bytes size) {
  const LockGuard guard(backing_books);
  Spare* best = nullptr;
  const auto misfit = [size](const Spare& s) { return s.size > size ? s.size - size : size - s.size; };
  for (std::size_t i = 0; i < spares_; ++i) {
    Spare& spare = spare_[i];
    if (spare.fd < 0 || spare.node != node) continue;
    if (best == nullptr || misfit(spare) < misfit(*best)) best = &spare;
  }
  if (best == nullptr) return {-1, 0, node, {}};
  const Spare taken = *best;
  best->fd = -1;
  return taken;
}

Error RegionFiles::make_file(NodeId node, Spare& file) {
  for (;;) {
    file.number = next_number_.fetch_add(1, std::memory_order_relaxed);
    const FilePath name = keep_ ? name_of(prefix_, node, file.number)
                                : FilePath("%s.t%d-%u", prefix_, static_cast<int>(getpid()), file.number);
    file.fd = openat(directory_, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file.fd < 0 && errno == EEXIST) continue;
    if (file.fd < 0) return explain_file("file", name.c_str(), errno);
    if (keep_) {
      is_locked_by_me(file.fd);
    } else {
      unlinkat(directory_, name.c_str(), 0);
    }
    return {};
  }
}

bool RegionFiles::give(const FileBytes& bytes, std::uint32_t number, NodeId node, Bytes size) {
  // Punched in any case: others may have the file open, or mapped.
  const bool punched = punch_hole(bytes, size);
  if (!punched) {
    log(LogLevel::kWarning, "%s of a file's pages cannot be given back (%s)", size_text(size).text,
        std::strerror(errno));
  }
  if (files_ != FileKind::kHugetlbfs) return punched;
  if (keep_) unlinkat(directory_, name_of(prefix_, node, number).c_str(), 0);
  close(bytes.fd);
  return true;  // another region gets another file
}

}  // namespace fastmem
