// SPDX-License-Identifier: BSD-3-Clause
#include "backends/standalone/address_window.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "platform/address_space.h"
#include "platform/check.h"
#include "platform/page_advice.h"

namespace fastmem {
namespace {

constexpr Bytes kMost = kGiB * 128 * 1024;  // what a process can map: asking for more is asking for all there is

// Without MAP_NORESERVE: memory without access counts for nothing, and what is made writable later is judged by the
// kernel's own overcommit policy, whichever it is.
void* map_nothing(Bytes size) {
  void* const p = mmap(nullptr, size.rep, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

AddressRange map_aligned(Bytes size, Bytes unit) {
  void* const p = map_nothing(size + unit);
  if (p == nullptr) return {};
  const auto begin = reinterpret_cast<std::uintptr_t>(p);
  const std::uintptr_t aligned = round_up(begin, unit.rep);
  const std::uintptr_t behind = aligned + size.rep;
  if (aligned > begin) munmap(p, aligned - begin);
  if (behind < begin + size.rep + unit.rep) munmap(reinterpret_cast<void*>(behind), begin + unit.rep - aligned);
  return {aligned, behind};
}

}  // namespace

Result<AddressWindow> AddressWindow::create(Bytes wanted, Bytes smallest, Bytes unit) {
  AddressWindow window;
  window.unit_ = unit;
  Bytes size = round_up(std::min(wanted, kMost), unit);
  smallest = std::min(round_up(smallest, unit), size);
  while ((window.range_ = map_aligned(size, unit)).begin == 0) {
    if (size == smallest) {
      return make_error(ErrorCode::kNoMemory,
                        "no %s of address space to be had (%s); look at ulimit -v, and at the sizes of other mappings",
                        size_text(size).text, std::strerror(errno));
    }
    size = std::max(round_up(size / 2, unit), smallest);
  }
  window.units_ = size / unit;
  window.taken_ = static_cast<std::uint64_t*>(reserve_readable(window.bitmap_bytes()));
  if (window.taken_ == nullptr || !make_writable(window.taken_, window.bitmap_bytes())) {
    return make_error(ErrorCode::kNoMemory, "no memory for the books over %s of address space", size_text(size).text);
  }
  return window;
}

AddressWindow::AddressWindow(AddressWindow&& other) noexcept
    : range_(std::exchange(other.range_, {})),
      unit_(other.unit_),
      units_(std::exchange(other.units_, 0)),
      lowest_free_(other.lowest_free_),
      taken_(std::exchange(other.taken_, nullptr)) {}

AddressWindow::~AddressWindow() {
  if (range_.begin != 0) munmap(reinterpret_cast<void*>(range_.begin), range_.size().rep);
  if (taken_ != nullptr) unreserve(taken_, bitmap_bytes());
}

void AddressWindow::abandon() { range_ = {}; }

void* AddressWindow::take(Bytes size) {
  const std::size_t wanted = size / unit_;
  std::size_t run = 0;
  while (lowest_free_ < units_ && is_taken(lowest_free_)) ++lowest_free_;
  for (std::size_t i = lowest_free_; i < units_; ++i) {
    run = is_taken(i) ? 0 : run + 1;
    if (run < wanted) continue;
    const std::size_t first = i + 1 - wanted;
    mark(first, wanted, true);
    return reinterpret_cast<void*>(range_.begin + first * unit_.rep);
  }
  return nullptr;
}

void AddressWindow::give(void* at, Bytes size) {
  const std::size_t first = (reinterpret_cast<std::uintptr_t>(at) - range_.begin) / unit_.rep;
  mark(first, size / unit_, false);
  lowest_free_ = std::min(lowest_free_, first);
}

void AddressWindow::mark(std::size_t first, std::size_t count, bool taken) {
  FM_CHECK(first + count <= units_);
  for (std::size_t i = first; i < first + count; ++i) {
    FM_CHECK(is_taken(i) != taken);  // a region released twice, or never reserved
    taken_[i / 64] ^= std::uint64_t{1} << (i % 64);
  }
}

Bytes AddressWindow::bitmap_bytes() const { return round_up(Bytes{units_ / 8 + 8}, kSmallPage); }

}  // namespace fastmem
