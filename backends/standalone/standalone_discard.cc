// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/standalone_discard.cc -- floor 1. Pages inside of a region: how they go, and come again.
#include <cerrno>
#include <cstring>

#include "backends/standalone/iova.h"
#include "backends/standalone/standalone_impl.h"
#include "platform/page_advice.h"

namespace fastmem {

Bytes StandaloneBacking::discard_unit(const Region& region) const {
  return is_hugetlb(kind_of(region)) ? region.page_size : kDiscardStep;
}

Error StandaloneBacking::check_part(const Region& region, Bytes offset, Bytes size) const {
  const Bytes unit = discard_unit(region);
  if (!owns(region) || size.rep == 0 || offset.rep % unit.rep != 0 || size.rep % unit.rep != 0 ||
      offset > region.size || size > region.size - offset) {
    return make_error(ErrorCode::kInvalid, "%s at %s of a region of %s: not inside of it, or not in steps of %s",
                      size_text(size).text, size_text(offset).text, size_text(region.size).text, size_text(unit).text);
  }
  if (in_child() && !region.inherited_by_fork) {
    return make_error(ErrorCode::kNotReady, "this region's memory is not inherited by fork");
  }
  return Error{};
}

// ---- they go

Error StandaloneBacking::discard(const Region& region, Bytes offset, Bytes size) {
  if (const Error error = check_part(region, offset, size); !error.ok()) return error;
  void* const at = static_cast<char*>(region.base) + offset.rep;
  int error = 0;
  if (region.fd >= 0) {
    if (!punch_hole({region.fd, region.fd_offset + offset.rep}, size)) error = errno;
  } else if (is_hugetlb(kind_of(region))) {
    error = discard_huge(at, size, region.page_size, region.node);
  } else {
    error = discard_small(at, size);
  }
  if (error != 0) {
    return make_error(error == ENOMEM ? ErrorCode::kNoMemory : ErrorCode::kUnsupported,
                      "%s of %s cannot be given back alone (%s); look at vm.max_map_count", size_text(size).text,
                      describe(kind_of(region)), std::strerror(error));
  }
  set_discarded(region, offset, size, true);
  return Error{};
}

// ---- they come

Error StandaloneBacking::restore(const Region& region, Bytes offset, Bytes size) {
  if (const Error error = check_part(region, offset, size); !error.ok()) return error;
  if (is_hugetlb(kind_of(region))) {
    if (const Error error = check_hugetlb_left(region, size); !error.ok()) return error;
  }
  const Error error = restore_pages(region, {offset, size, true});
  if (error.ok()) set_discarded(region, offset, size, false);
  return error;
}

Error StandaloneBacking::restore_pages(const Region& region, Part part) {
  char* const at = static_cast<char*>(region.base) + part.offset.rep;
  const FileBytes bytes{region.fd, region.fd_offset + part.offset.rep};
  const bool hugetlb = is_hugetlb(kind_of(region));
  const Populate quietly{.threads = populate_.threads};
  int result = 0;
  if (region.fd >= 0) {
    result = restore_file(at, part.size, region.page_size, bytes, region.node, quietly);
  } else if (hugetlb) {
    result = restore_huge(at, part.size, region.page_size, region.node, quietly);
  } else if (options_.prefault) {
    result = prefault(at, part.size, quietly, nullptr).ok() ? 0 : ENOMEM;
  }
  if (result != 0) {
    const Error refused = make_error(ErrorCode::kNoMemory, "no %s of %s (%s)", size_text(part.size).text,
                                     describe(kind_of(region)), std::strerror(result));
    if (!hugetlb && region.fd < 0) discard_small(at, part.size);
    return hugetlb ? explain_no_hugetlb(region, part.size, refused) : refused;
  }
  if (hugetlb) return Error{};
  Error error;
  if (is_held(region)) {
    error = hold_small_pages(at, part.size);
    if (!error.ok()) error.code = ErrorCode::kNoMemory;  // a limit reached
  } else if (options_.locked) {
    error = lock_small(at, part.size);
  }
  if (error.ok()) return error;
  if (region.fd >= 0) {
    punch_hole(bytes, part.size);
  } else {
    discard_small(at, part.size);
  }
  return error;
}

// ---- books

// From `offset` on, as far as it is alike.
StandaloneBacking::Part StandaloneBacking::part_at(const Region& region, Bytes offset) const {
  const LockGuard guard(backing_books);
  const std::size_t first = index(region, kDiscardStep) + offset / kDiscardStep;
  const std::size_t end = index(region, kDiscardStep) + region.size / kDiscardStep;
  const bool discarded = discarded_.get(first);
  std::size_t i = first + 1;
  while (i < end && discarded_.get(i) == discarded) ++i;
  return {offset, kDiscardStep * (i - first), discarded};
}

void StandaloneBacking::set_discarded(const Region& region, Bytes offset, Bytes size, bool discarded) {
  const LockGuard guard(backing_books);
  discarded_.set(index(region, kDiscardStep) + offset / kDiscardStep, size / kDiscardStep, discarded);
}

bool StandaloneBacking::is_held(const Region& region) const {
  const LockGuard guard(backing_books);
  return held_.get(index(region, unit_));
}

void StandaloneBacking::set_held(const Region& region, bool held) {
  const LockGuard guard(backing_books);
  held_.set(index(region, unit_), region.size / unit_, held);
}

}  // namespace fastmem
