// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/iova.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "backends/standalone/page_commit.h"
#include "platform/address_space.h"
#include "platform/iommu.h"
#include "platform/log.h"
#include "platform/page_advice.h"
#include "platform/text_file.h"

namespace fastmem {
namespace {

// An entry of /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kFrameMask = (std::uint64_t{1} << 55) - 1;

Error not_told() {
  return make_error(ErrorCode::kPermission,
                    "IOVA unavailable: the kernel does not tell this process page frame numbers; run as root or with "
                    "CAP_SYS_ADMIN (sudo setcap cap_sys_admin+ep PROGRAM), or use IOVA mode va behind an IOMMU");
}

Error no_file_left() {
  return make_error(ErrorCode::kNoMemory,
                    "IOVA unavailable: no file left to open for /proc/self/pagemap; close some, or raise the limit: "
                    "ulimit -n $(ulimit -Hn)");
}

class Pagemap {
 public:
  explicit Pagemap(const char* path) : fd_(open(path, O_RDONLY | O_CLOEXEC)), why_closed_(fd_ < 0 ? errno : 0) {}
  Pagemap(const Pagemap&) = delete;
  Pagemap& operator=(const Pagemap&) = delete;
  ~Pagemap() {
    if (fd_ >= 0) close(fd_);
  }

  // The physical address of the page at `address`.
  Error look_up(std::uintptr_t address, std::uint64_t& physical) {
    const std::uint64_t page = address / kSmallPage.rep;
    if (page - first_ >= filled_) {
      if (const Error error = fill(page); !error.ok()) return error;
    }
    const std::uint64_t entry = entries_[page - first_];
    if ((entry & kPresent) == 0) {
      return make_error(ErrorCode::kNoMemory, "IOVA unavailable: the page at 0x%zx is not present", address);
    }
    if ((entry & kFrameMask) == 0) return not_told();
    physical = (entry & kFrameMask) * kSmallPage.rep;
    return Error{};
  }

 private:
  Error fill(std::uint64_t page) {
    if (fd_ < 0) return why_closed_ == EMFILE || why_closed_ == ENFILE ? no_file_left() : not_told();
    const auto got = pread(fd_, entries_, sizeof(entries_), static_cast<off_t>(page * sizeof(entries_[0])));
    if (got < static_cast<ssize_t>(sizeof(entries_[0]))) return not_told();
    first_ = page;
    filled_ = static_cast<std::size_t>(got) / sizeof(entries_[0]);
    return Error{};
  }

  int fd_;
  int why_closed_;
  std::uint64_t first_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t entries_[256];
};

// Locked pages stay in memory, but compaction may still move them unless this is off.
void warn_of_compaction() {
  static std::atomic_flag told;
  if (read_number(FilePath("/proc/sys/vm/compact_unevictable_allowed")).value_or(0) == 0) return;
  if (told.test_and_set(std::memory_order_relaxed)) return;
  log(LogLevel::kWarning,
      "physical addresses of small pages: the kernel's compaction may move even locked ones; use hugetlb pages for "
      "DMA, "
      "or: echo 0 | sudo tee /proc/sys/vm/compact_unevictable_allowed");
}

}  // namespace

Error check_frames_readable(const char* pagemap) {
  const volatile char present = 0;  // this page of the stack
  std::uint64_t physical = 0;
  return Pagemap(pagemap).look_up(reinterpret_cast<std::uintptr_t>(&present), physical);
}

bool iommu_is_there(const char* root) { return read_iommu(root).groups != 0; }

Error read_physical(const void* base, Bytes page_size, std::span<Iova> pages, const char* pagemap) {
  Pagemap map(pagemap);
  auto address = reinterpret_cast<std::uintptr_t>(base);
  for (Iova& page : pages) {
    if (const Error error = map.look_up(address, page.rep); !error.ok()) return error;
    address += page_size.rep;
  }
  return Error{};
}

Error check_one_physical_run(const void* base, Bytes size, Bytes page_size, const char* pagemap) {
  Pagemap map(pagemap);
  const auto begin = reinterpret_cast<std::uintptr_t>(base);
  std::uint64_t first = 0;
  for (std::size_t offset = 0; offset < size.rep; offset += page_size.rep) {
    std::uint64_t physical = 0;
    if (const Error error = map.look_up(begin + offset, physical); !error.ok()) return error;
    if (offset == 0) first = physical;
    if (physical != first + offset) {
      return make_error(
          ErrorCode::kNoMemory,
          "no %s in one physical run: only a single page of %s is sure to be; use larger pages, or an IOMMU",
          size_text(size).text, size_text(page_size).text);
    }
  }
  return Error{};
}

Error hold_small_pages(void* base, Bytes size) {
  if (const int error = lock_pages(base, size); error != 0) {
    const Bytes limit = read_pages().locked_limit;
    if (error == EPERM || limit != kUnlimited) return explain_cannot_lock(size, limit, "physical addresses");
    return make_error(ErrorCode::kNoMemory, "cannot lock %s of small pages: %s", size_text(size).text,
                      std::strerror(error));
  }
  madvise(base, size.rep, MADV_NOHUGEPAGE);  // huge pages that are there stay
  warn_of_compaction();
  return Error{};
}

Error keep_from_children(void* base, Bytes size) {
  if (madvise(base, size.rep, MADV_DONTFORK) == 0) return Error{};
  return make_error(ErrorCode::kNoMemory, "cannot keep %s from children (%s); look at vm.max_map_count",
                    size_text(size).text, std::strerror(errno));
}

}  // namespace fastmem
