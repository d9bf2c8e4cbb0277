// SPDX-License-Identifier: BSD-3-Clause
// backends/standalone/standalone_iova.cc -- floor 1. What devices are told about a region, and which mode that is.
#include <algorithm>
#include <utility>

#include "backends/standalone/iova.h"
#include "backends/standalone/standalone_impl.h"
#include "platform/page_advice.h"

namespace fastmem {

Error StandaloneBacking::iova(Region& region, std::span<Iova> pages) {
  if (!owns(region) || pages.size() != region.size / region.page_size) {
    return make_error(ErrorCode::kInvalid, "iova: %zu pages asked of a region of %s", pages.size(),
                      size_text(region.size).text);
  }
  Result<IovaMode> mode = decide_iova();
  if (!mode) return mode.error();
  if (*mode == IovaMode::kVirtual) {
    std::uint64_t address = reinterpret_cast<std::uintptr_t>(region.base);
    for (Iova& page : pages) page = Iova{std::exchange(address, address + region.page_size.rep)};
    return Error{};
  }
  if (const Error error = make_physical(kind_of(region), region); !error.ok()) return error;
  region.inherited_by_fork = false;
  for (Part part{}; part.offset < region.size; part.offset += part.size) {
    part = part_at(region, part.offset);
    const std::span<Iova> of_part = pages.subspan(part.offset / region.page_size, part.size / region.page_size);
    if (part.discarded) {
      std::fill(of_part.begin(), of_part.end(), kBadIova);
      continue;
    }
    const char* const at = static_cast<const char*>(region.base) + part.offset.rep;
    if (const Error error = read_physical(at, region.page_size, of_part); !error.ok()) return error;
  }
  return Error{};
}

// kPhysical or kVirtual; the first answer that is not an error stays.
Result<IovaMode> StandaloneBacking::decide_iova() {
  {
    const LockGuard guard(backing_books);
    if (iova_mode_) return *iova_mode_;
  }
  Result<IovaMode> mode = find_iova_mode();
  if (!mode) return mode;
  const LockGuard guard(backing_books);
  if (!iova_mode_) iova_mode_ = *mode;
  return *iova_mode_;
}

Result<IovaMode> StandaloneBacking::find_iova_mode() const {
  if (options_.iova == IovaMode::kVirtual) return IovaMode::kVirtual;
  if (options_.iova == IovaMode::kNone) {
    return make_error(ErrorCode::kUnsupported, "IOVA unavailable: this backing was made with IOVA mode none");
  }
  const Error error = check_frames_readable();
  if (error.ok()) return IovaMode::kPhysical;
  if (options_.iova == IovaMode::kAuto && iommu_) return IovaMode::kVirtual;
  return error;
}

}  // namespace fastmem
