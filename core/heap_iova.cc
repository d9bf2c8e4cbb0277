// SPDX-License-Identifier: BSD-3-Clause
// core/heap_iova.cc -- floor 2 (core). What a device must be told to reach an object.
#include <algorithm>

#include "core/heap.h"

namespace fastmem::core {

RegionNumber Heap::region_of(const void* p) const {
  const std::size_t granule = map_.granule_of(p);
  return granule < map_.granules()
             ? state_->extents[static_cast<ExtentIndex>(granule)].region.load(std::memory_order_relaxed)
             : kNoRegion;
}

// The first question about a region finds all of its pages there, and none on its way out.
Iova Heap::iova_of(const void* p) {
  const RegionNumber number = region_of(p);
  if (number == kNoRegion) {
    if (Heap* const owner = owner_of(p)) return owner->iova_of(p);
  }
  Error error;
  if (lost_) {
    error = make_error(ErrorCode::kNotReady, "this heap's memory is not inherited by fork");
  } else if (number == kNoRegion) {
    error = make_error(ErrorCode::kForeignPointer, "%p is not in this heap", p);
  } else if (state_->regions.is_known(number)) {
    return state_->regions.iova_of(number, p, *backing_, error);
  } else if (refuse_in_callback() != ErrorCode::kOk) {
    return kBadIova;  // its thread may hold that lock
  } else if (state_->regions[number].unit == 0) {
    return known_iova(p);  // its pages are all there as long as it is
  } else {
    const LockGuard growing(state_->nodes[node_of(number)].growth);
    return known_iova(p);
  }
  set_last_error(error);
  return kBadIova;
}

// Of a pointer into this heap, under its node's `growth` where nobody has asked before.
Iova Heap::known_iova(const void* p) {
  const RegionNumber number = region_of(p);
  Error error;
  if (!state_->regions.is_known(number)) {
    open_guards();
    error = bring_back_region(number);
  }
  if (error.ok()) {
    const Iova iova = state_->regions.iova_of(number, p, *backing_, error);
    if (error.ok()) return iova;
  }
  set_last_error(error);
  return kBadIova;
}

// Bytes from p on that are one run in IOVA space, `size` at most. 0: there are no IOVAs. As known_iova().
std::size_t Heap::contiguous_from(const void* p, std::size_t size) {
  const auto* const begin = static_cast<const std::byte*>(p);
  const Iova first = known_iova(p);
  if (first == kBadIova) return 0;
  const RegionNumber number = region_of(p);
  if (state_->regions.is_one_run(number)) return size;
  const std::size_t page = state_->regions[number].region.page_size.rep;
  std::size_t run = page - (reinterpret_cast<std::uintptr_t>(p) & (page - 1));
  while (run < size && known_iova(begin + run).rep == first.rep + run) run += page;
  return std::min(run, size);
}

Result<bool> Heap::iova_contiguous(const void* p, Bytes size) {
  const Result<std::size_t> runs = iova_segments(p, size, {});
  if (!runs.ok()) return runs.error();
  return runs.value() <= 1;
}

Result<std::size_t> Heap::iova_segments(const void* p, Bytes size, std::span<IovaSegment> out) {
  if (region_of(p) == kNoRegion) {
    if (Heap* const owner = owner_of(p)) return owner->iova_segments(p, size, out);
  }
  if (region_of(p) == kNoRegion) return make_error(ErrorCode::kForeignPointer, "%p is not in this heap", p);
  const auto* at = static_cast<const std::byte*>(p);
  std::size_t runs = 0;
  Iova run_end = kBadIova;
  while (size.rep != 0) {
    const Iova iova = iova_of(at);
    if (iova == kBadIova) return last_error();
    RegionInfo& info = state_->regions[region_of(at)];
    const auto offset = static_cast<std::size_t>(at - static_cast<const std::byte*>(info.region.base));
    const bool whole = state_->regions.is_one_run(region_of(at));
    const std::size_t reach =
        whole ? info.region.size.rep - offset : info.region.page_size.rep - (offset & (info.region.page_size.rep - 1));
    const Bytes step = std::min(size, Bytes{reach});
    if (iova == run_end) {
      if (runs <= out.size()) out[runs - 1].size += step;
    } else {
      if (runs < out.size()) out[runs] = {iova, step};
      ++runs;
    }
    run_end = Iova{iova.rep + step.rep};
    at += step.rep;
    size -= step;
  }
  return runs;
}

}  // namespace fastmem::core
