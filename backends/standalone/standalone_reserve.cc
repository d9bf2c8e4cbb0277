// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/standalone_reserve.cc -- floor 1. Whole regions: how they get memory, and give it back.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "backends/standalone/iova.h"
#include "backends/standalone/page_commit.h"
#include "backends/standalone/standalone_impl.h"
#include "platform/check.h"
#include "platform/log.h"
#include "platform/node_binding.h"
#include "platform/page_advice.h"

namespace fastmem {
namespace {

constexpr Bytes kHugeFrom = kMiB * 16;  // transparent huge pages by `auto`: in regions of at least this

}  // namespace

// ---- reserve

Result<Region> StandaloneBacking::reserve(Bytes size, NodeId node, Contiguity contiguity) {
  return reserve_aligned(size, unit_, node, contiguity);
}

Result<Region> StandaloneBacking::reserve_aligned(Bytes size, Bytes align, NodeId node, Contiguity contiguity) {
  if (const Error error = check_request(size, node); !error.ok()) return error;
  if (!is_power_of_two(align.rep)) {
    return make_error(ErrorCode::kInvalid, "an alignment of %zu bytes: not a power of two", align.rep);
  }
  if (contiguity == Contiguity::kContiguous) {
    if (const Result<IovaMode> mode = decide_iova(); !mode) {
      return make_error(ErrorCode::kUnsupported, "contiguous memory: %s", mode.error().text);
    }
  }
  Region region;
  region.size = size;
  region.node = node;
  region.zeroed = true;
  region.base = take_range(size, align);
  if (region.base == nullptr) {
    return make_error(ErrorCode::kNoMemory,
                      "no %s left of %s of address space: give the backing a larger address_space",
                      size_text(size).text, size_text(range_.size()).text);
  }
  Error first;
  for (const PageKind kind : choice_.in_order()) {
    Attempt attempt{kind, contiguity};
    const Error error = commit(attempt, region);
    if (error.ok()) {
      if (!first.ok()) warn_of_fallback(kind, first);
      return region;
    }
    if (first.ok() || attempt.stopped) first = error;
    if (!take_pages_back(region)) return first;  // the range is lost
    if (attempt.stopped) break;
  }
  give_range(region.base, size);
  return first;
}

Error StandaloneBacking::check_request(Bytes size, NodeId node) const {
  if (size.rep == 0 || size.rep % unit_.rep != 0) {
    return make_error(ErrorCode::kInvalid, "a region of %s: not a multiple of %s", size_text(size).text,
                      size_text(unit_).text);
  }
  if (files_.used() && in_child()) {
    return make_error(ErrorCode::kNotReady, "memory in files is not inherited by fork: make another backing");
  }
  for (const NodeInfo& info : topology_.nodes()) {
    if (info.id != node) continue;
    if (info.memory.rep != 0) return Error{};
    return make_error(ErrorCode::kNoMemory, "node %u has no memory", unsigned{node.rep});
  }
  return make_error(ErrorCode::kNoNode, "node %u is not there", unsigned{node.rep});
}

Error StandaloneBacking::commit(Attempt& attempt, Region& region) {
  region.page_size = page_size_of(attempt.kind);
  region.cookie = make_cookie(attempt.kind, 0);
  region.fd = -1;
  region.inherited_by_fork = !is_hugetlb(attempt.kind) && !files_.used();
  if (const Error error = commit_pages(attempt, region); !error.ok()) return error;

  const bool one_run = attempt.contiguity == Contiguity::kContiguous && *decide_iova() == IovaMode::kPhysical;
  if (options_.iova != IovaMode::kPhysical && !one_run) return Error{};
  region.inherited_by_fork = false;
  Error error = make_physical(attempt.kind, region);
  if (error.ok() && one_run) error = check_one_physical_run(region.base, region.size, region.page_size);
  if (error.code == ErrorCode::kPermission) error.code = ErrorCode::kNoMemory;  // a limit reached
  return error;
}

Error StandaloneBacking::commit_pages(Attempt& attempt, Region& region) {
  Error error;
  if (files_.used()) {
    error = commit_to_file(attempt, region);
  } else if (is_hugetlb(attempt.kind)) {
    error = commit_hugetlb(attempt, region, Bytes{});
  } else {
    error = commit_private(attempt, region);
  }
  if (error.ok() && options_.locked && !is_hugetlb(attempt.kind)) error = lock_small(region.base, region.size);
  return error;
}

Error StandaloneBacking::commit_private(Attempt& attempt, const Region& region) {
  // Chosen by itself, a huge page is for regions that fill some: a small heap would hold, and zero, much for little.
  const bool worth_it = options_.pages == PageKind::kTransparent || region.size >= kHugeFrom;
  const bool transparent = attempt.kind == PageKind::kTransparent && worth_it;
  const Error error = commit_small(region.base, region.size, transparent, region.node);
  if (!error.ok() || !options_.prefault) return error;
  return prefault(region.base, region.size, populate_, &attempt.stopped);
}

Error StandaloneBacking::commit_to_file(Attempt& attempt, Region& region) {
  const auto offset = reinterpret_cast<std::uintptr_t>(region.base) - range_.begin;
  const Result<RegionFiles::Taken> taken = files_.take(attempt.kind, region.node, offset, region.size);
  if (!taken) return taken.error();
  const RegionFiles::Taken& file = taken.value();
  region.fd = file.bytes.fd;
  region.fd_offset = file.bytes.offset;
  region.cookie = make_cookie(attempt.kind, file.number);
  region.zeroed = !file.dirty;
  if (is_hugetlb(attempt.kind)) return commit_hugetlb(attempt, region, file.present);
  const FileBytes bytes{region.fd, region.fd_offset, attempt.kind == PageKind::kTransparent};
  return commit_file(region.base, region.size, region.page_size, bytes, region.node, populate_, &attempt.stopped);
}

// Hugetlb pages, of which `present` may be there already.
Error StandaloneBacking::commit_hugetlb(Attempt& attempt, const Region& region, Bytes present) {
  // A look first: populating most of a region only to give it back would take from others and zero for nothing.
  const Bytes needed = region.size - std::min(region.size, present);
  if (const Error error = check_hugetlb_left(region, needed); !error.ok()) return error;
  const FileBytes bytes{region.fd, region.fd_offset};
  const Error error =
      region.fd < 0
          ? commit_huge(region.base, region.size, region.page_size, region.node, populate_, &attempt.stopped)
          : commit_file(region.base, region.size, region.page_size, bytes, region.node, populate_, &attempt.stopped);
  if (error.ok() || attempt.stopped) return error;
  decommit(region.base, region.size);  // so that what is read now is what others see
  if (region.fd >= 0) punch_hole(bytes, region.size);
  return explain_no_hugetlb(region, region.size, error);
}

Error StandaloneBacking::check_hugetlb_left(const Region& region, Bytes needed) const {
  const NodeId node = node_needs_binding(region.node) ? region.node : kAnyNode;
  const HugePages pages = read_huge_pages(region.page_size);
  if (region.fd >= 0 && files_.room() < needed) return explain_hugetlbfs_full(files_.mount(), needed, files_.room());
  if (!pages.supported || pages.usable(node) >= needed / region.page_size) return Error{};
  return explain_no_huge_pages(pages, needed, node);
}

// After the kernel refused what had looked as if it were there.
Error StandaloneBacking::explain_no_hugetlb(const Region& region, Bytes asked, const Error& otherwise) const {
  if (const Error error = check_hugetlb_left(region, asked); !error.ok()) return error;
  const HugePages pages = read_huge_pages(region.page_size);
  if (!pages.supported) return otherwise;
  return explain_no_huge_pages(pages, asked, node_needs_binding(region.node) ? region.node : kAnyNode);
}

Error StandaloneBacking::lock_small(void* at, Bytes size) const {
  const int error = lock_pages(at, size);
  if (error == 0) return Error{};
  const Bytes limit = read_pages().locked_limit;
  Error told = error == EPERM || limit != kUnlimited
                   ? explain_cannot_lock(size, limit, "locked heaps")
                   : make_error(ErrorCode::kNoMemory, "cannot lock %s of small pages: %s", size_text(size).text,
                                std::strerror(error));
  told.code = ErrorCode::kNoMemory;  // a limit reached
  return told;
}

Error StandaloneBacking::make_physical(PageKind kind, const Region& region) {
  if (!is_hugetlb(kind)) {
    set_held(region, true);
    for (Part part{}; part.offset < region.size; part.offset += part.size) {
      part = part_at(region, part.offset);
      if (part.discarded) continue;
      char* const at = static_cast<char*>(region.base) + part.offset.rep;
      if (const Error error = hold_small_pages(at, part.size); !error.ok()) return error;
    }
  }
  return keep_from_children(region.base, region.size);
}

void StandaloneBacking::warn_of_fallback(PageKind kind, const Error& error) {
  {
    const LockGuard guard(backing_books);
    if (std::exchange(fallback_told_, true)) return;
  }
  log(LogLevel::kWarning, "falling back to %s: %s", describe(kind), error.text);
}

void* StandaloneBacking::take_range(Bytes size, Bytes align) {
  const LockGuard guard(backing_books);
  return window_.take(size, align);
}

void StandaloneBacking::give_range(void* at, Bytes size) {
  const LockGuard guard(backing_books);
  window_.give(at, size);
}

// ---- release

void StandaloneBacking::release(const Region& region) {
  FM_CHECK(owns(region));
  if (in_child() && !region.inherited_by_fork) return;  // a hole, perhaps somebody else's by now
  set_discarded(region, Bytes{}, region.size, false);
  set_held(region, false);
  if (take_pages_back(region)) give_range(region.base, region.size);
}

bool StandaloneBacking::take_pages_back(const Region& region) {
  const bool unmapped = decommit(region.base, region.size);
  if (region.fd < 0) return unmapped;
  const FileBytes bytes{region.fd, region.fd_offset};
  return files_.give(bytes, file_number_of(region), region.node, region.size) && unmapped;
}

bool StandaloneBacking::owns(const Region& region) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(region.base);
  return begin % unit_.rep == 0 && region.size.rep % unit_.rep == 0 && begin >= range_.begin && begin <= range_.end &&
         region.size.rep != 0 && region.size.rep <= range_.end - begin;
}

}  // namespace fastmem
